"""Where calls lie: YYYY/MM/DD/HHMMSSZ-<profile>-<session id>.

No folder grows without end, a day can be looked at by hand, and names sort by time. They say nothing of the caller.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from voice_orchestrator.records.entry import ENTRY_FILE
from voice_orchestrator.runtime.cut_reason import CutReason, cut_reason

ERASE_MARK: Final = ".erase"
"""An empty file: everything in its folder is to be erased."""

NAME_CHARS_MAX: Final = 64
_ODD: Final = re.compile(r"[^A-Za-z0-9_.]")
_DATE_PARTS: Final = (re.compile(r"\d{4}"), re.compile(r"\d{2}"), re.compile(r"\d{2}"))
_CALL: Final = re.compile(r"(\d{6})Z-([A-Za-z0-9_.]+)-([A-Za-z0-9_.]+)")
_TRIES: Final = 5


def make_call_folder(root: Path, started_at: datetime, profile: str, session_id: str) -> Path:
    """Makes the folder of a call, its owner's alone; raises OSError."""
    utc = started_at.astimezone(UTC)
    days = (f"{utc:%Y}", f"{utc:%m}", f"{utc:%d}")
    name = f"{utc:%H%M%S}Z-{_plain(profile)}-{_plain(session_id)}"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in reversed(range(_TRIES)):
        try:
            parent = root
            for day in days:
                parent /= day
                parent.mkdir(exist_ok=True, mode=0o700)
            (parent / name).mkdir(mode=0o700)
            return parent / name
        except FileNotFoundError:  # somebody tidied an empty day away
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def call_folders(root: Path) -> Iterator[Path]:
    """The folders of all calls, the oldest first."""
    for year in _sorted(root, _DATE_PARTS[0]):
        for month in _sorted(year, _DATE_PARTS[1]):
            for day in _sorted(month, _DATE_PARTS[2]):
                yield from _sorted(day, _CALL)


def told_by_name(folder: Path) -> tuple[datetime, str, str]:
    """Start, profile and session id, as the name of a call's folder tells them; raises ValueError."""
    named = _CALL.fullmatch(folder.name)
    if named is None:
        raise ValueError(f"{folder} is not the folder of a call")
    day = "".join(parent.name for parent in (folder.parents[2], folder.parents[1], folder.parents[0]))
    started_at = datetime.strptime(day + named.group(1), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return started_at, named.group(2), named.group(3)


def size_of(folder: Path) -> int:
    """Bytes in the files of a call's folder; what is hidden there is the writer's own."""
    size_bytes = 0
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for item in found:
            with suppress(FileNotFoundError):
                if item.name.startswith("."):
                    continue
                size_bytes += item.stat(follow_symlinks=False).st_size
    return size_bytes


def mark_for_erasure(folder: Path) -> None:
    """Has a call's folder erased by whoever closes or sweeps it; raises OSError."""
    os.close(os.open(folder / ERASE_MARK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def is_marked(folder: Path) -> bool:
    """Whether a call's folder is to be erased."""
    return (folder / ERASE_MARK).exists()


def erase_folder(root: Path, folder: Path) -> None:
    """Removes a call's folder and the days that become empty; raises OSError.

    The mark comes first and goes last, so an erasure that is killed is finished by the next sweep.
    """
    for left in reversed(range(_TRIES)):
        try:
            _empty(folder)
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            # The call's own process may be erasing it at this moment too.
            if error.errno != errno.ENOTEMPTY or not left:
                raise
            continue
        break
    for parent in folder.parents:
        if parent == root:
            break
        try:
            parent.rmdir()
        except OSError:
            break


def _empty(folder: Path) -> None:
    try:
        mark_for_erasure(folder)
    except OSError as error:
        if cut_reason(error) is not CutReason.DISK_FULL:
            raise
    last = {ENTRY_FILE: 1, ERASE_MARK: 2}
    for name in sorted(os.listdir(folder), key=lambda name: last.get(name, 0)):
        _remove(folder / name)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _sorted(folder: Path, names: re.Pattern[str]) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if names.fullmatch(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _plain(text: str) -> str:
    return _ODD.sub("_", text)[:NAME_CHARS_MAX] or "_"
