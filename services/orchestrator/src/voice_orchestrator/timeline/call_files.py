"""Which files make a finished call."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voice_operations.operator_error import OperatorError

JOURNAL: Final = "journal.jsonl"
REPORT: Final = "report.json"
RECORDINGS: Final = ("recording.wav", "recording.flac")
SOUND_SUFFIXES: Final = frozenset({".wav", ".flac"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFiles:
    """The files of one call. A call that was killed has no report, one without sound no recording."""

    folder: Path
    journal: Path
    report: Path | None
    recording: Path | None


def find_call(path: Path) -> CallFiles:
    """The call in folder `path`, or the one that the journal or recording `path` belongs to; raises OperatorError."""
    if path.is_dir():
        return _call(path, path / JOURNAL, _first(path, RECORDINGS))
    if not path.exists():
        raise OperatorError(f"{path}: there is no such call; name the folder that `voice-orchestrator call` wrote")
    if path.suffix == ".jsonl":
        return _call(path.parent, path, _first(path.parent, RECORDINGS))
    if path.suffix in SOUND_SUFFIXES:
        return _call(path.parent, path.parent / JOURNAL, path)
    raise OperatorError(f"{path}: is neither a call's folder nor its journal (.jsonl) nor its recording (.wav, .flac)")


def _call(folder: Path, journal: Path, recording: Path | None) -> CallFiles:
    if not journal.is_file():
        raise OperatorError(f"{folder}: holds no {JOURNAL}; a timeline is made from the journal of a call")
    return CallFiles(folder=folder, journal=journal, report=_first(folder, (REPORT,)), recording=recording)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
