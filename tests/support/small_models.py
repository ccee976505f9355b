"""A catalogue of models of a few bytes, wheels that carry them, and what a pull says and does to them."""

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from voice_contract.failures import Stage
from voice_inference.catalogue.model import Catalogue, CatalogueModel, ModelFile, PackageMember, Upstream, catalogue_of
from voice_inference.catalogue.progress import PullReporter
from voice_inference.catalogue.staging import PullError, install_file

WEIGHTS: Final = b"".join(b"%06d " % number for number in range(60_000))
CONFIG: Final = b'{"layers": 2}'
FIRST_PART: Final = WEIGHTS[:150_000]
SECOND_PART: Final = WEIGHTS[150_000:]
FIRST_WHEEL: Final = "small-part.one==1.0"
SECOND_WHEEL: Final = "small-part-two==1.0"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def model_file(name: str, content: bytes, *members: tuple[str, str]) -> ModelFile:
    """A file pinned to `content`; `members` are (requirement, member of its wheel)."""
    return ModelFile(
        name=name,
        size_bytes=len(content),
        sha256=sha256(content),
        members=tuple(PackageMember(requirement=requirement, member=member) for requirement, member in members),
        upstream_path=f"files/{name}",
    )


def model(name: str, *files: ModelFile, upstream: bool = True) -> CatalogueModel:
    return CatalogueModel(
        name=name,
        stage=Stage.STT,
        role="stt",
        title=f"The model {name}",
        licence="MIT",
        files=files,
        upstream=Upstream(repository=f"someone/{name}", revision="main") if upstream else None,
    )


SMALL: Final = model(
    "small",
    model_file("weights.bin", WEIGHTS, (FIRST_WHEEL, "data/weights.part1"), (SECOND_WHEEL, "data/weights.part2")),
    model_file("config.json", CONFIG, (FIRST_WHEEL, "data/config.json")),
)
OTHER: Final = model("other", model_file("other.bin", b"another model"))
BYTES: Final = {"weights.bin": WEIGHTS, "config.json": CONFIG, "other.bin": b"another model"}
"""What every file of SMALL and OTHER must hold."""


def small_catalogue() -> Catalogue:
    return catalogue_of(SMALL, OTHER)


def put_in_cache(cache: Path, placed: CatalogueModel = SMALL) -> Path:
    """Lays a whole model into `cache`; its folder."""
    folder = cache / placed.name
    folder.mkdir(parents=True)
    for file in placed.files:
        (folder / file.name).write_bytes(BYTES[file.name])
    return folder


def files_under(folder: Path) -> set[str]:
    """Everything that is kept under `folder`, locks aside."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] != ".locks"}


def write_wheel(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class HeardReporter:
    """A PullReporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.transfers: list[tuple[str, int, int]] = []

    def note(self, line: str) -> None:
        self.notes.append(line)

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        self.transfers.append((label, done_bytes, total_bytes))


class FakeSource:
    """A ModelSource that delivers `content`, or fails with `failure`, and remembers what it was asked for."""

    def __init__(
        self, content: Mapping[str, bytes] = BYTES, *, failure: Exception | None = None, lacks: Iterable[str] = ()
    ) -> None:
        """`lacks` are the models it does not carry."""
        self._content, self._failure, self._lacks = content, failure, frozenset(lacks)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def carries(self, model: CatalogueModel) -> bool:
        return model.name not in self._lacks

    def pull(
        self, model: CatalogueModel, missing: tuple[ModelFile, ...], folder: Path, work: Path, reporter: PullReporter
    ) -> None:
        self.asked.append((model.name, tuple(file.name for file in missing)))
        work.mkdir(parents=True, exist_ok=True)
        (work / "half.whl").write_bytes(b"half")
        if self._failure is not None:
            raise self._failure
        for file in missing:
            reporter.progress(model.name, file.size_bytes, file.size_bytes)
            install_file(folder, file, [self._content[file.name]], "a fake")


def unreachable(why: str = "nobody answers") -> FakeSource:
    return FakeSource(failure=PullError(why))
