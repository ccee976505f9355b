"""All records of one caller in one ZIP file, with a manifest that tells every file's length and SHA-256.

manifest.json   export: 1, caller_id, made_at, and for each call its entry, its folder in the archive and its files
calls/...       the folders of the calls as they lie in the data folder
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from voice_operations.operator_error import OperatorError
from voice_orchestrator.records.entry import RecordEntry
from voice_orchestrator.records.owner import housekeeping
from voice_orchestrator.records.shelf import Shelf, StoredCall

MANIFEST: Final = "manifest.json"
CALLS_FOLDER: Final = "calls"
COPY_BYTES: Final = 1 << 20


class ExportedFile(BaseModel):
    """A file of the archive; `name` inside its call's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size_bytes: int
    sha256: str


class ExportedCall(BaseModel):
    """A call of the archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    entry: RecordEntry
    files: tuple[ExportedFile, ...]


class Manifest(BaseModel):
    """What an archive holds. `going_on`: calls of the caller that were not over and are not in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    export: Literal[1] = 1
    caller_id: str
    made_at: AwareDatetime
    going_on: int
    calls: tuple[ExportedCall, ...]


def export(shelf: Shelf, caller_id: str, out: Path, now: datetime) -> Manifest:
    """Writes everything of a caller to `out`, its owner's alone, whole or not at all, and reads it back.

    Blocks; raises OperatorError when there is nothing or `out` exists, OSError.
    """
    if out.exists():
        raise OperatorError(f"{out}: exists already; name another file")
    if not shelf.root.exists():
        raise OperatorError(f"{shelf.root}: there is no such folder; name the data folder with --data")
    staged = out.with_name(f".{out.name}.part")
    with housekeeping(shelf.root):
        calls = tuple(call for call in shelf.calls() if call.entry.caller_id == caller_id)
        over = [call for call in calls if not call.going_on]
        if not over:
            going_on = f"; {len(calls)} of them go on and can be exported when they are over" if calls else ""
            raise OperatorError(f"{shelf.root}: holds no calls of this caller that are over{going_on}")
        try:
            fd = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w+b") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                manifest = Manifest(
                    caller_id=caller_id,
                    made_at=now,
                    going_on=len(calls) - len(over),
                    calls=tuple(_add_call(archive, shelf.root, call) for call in over),
                )
                archive.writestr(MANIFEST, manifest.model_dump_json(indent=2))
            check_export(staged)
            staged.replace(out)
        finally:
            staged.unlink(missing_ok=True)
    return manifest


def _add_call(archive: zipfile.ZipFile, root: Path, call: StoredCall) -> ExportedCall:
    folder = f"{CALLS_FOLDER}/{call.folder.relative_to(root).as_posix()}"
    files = tuple(_add_file(archive, folder, path) for path in _files(call.folder))
    return ExportedCall(folder=folder, entry=call.entry, files=files)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path


def _add_file(archive: zipfile.ZipFile, folder: str, path: Path) -> ExportedFile:
    info = zipfile.ZipInfo.from_file(path, f"{folder}/{path.name}", strict_timestamps=False)
    info.compress_type = zipfile.ZIP_DEFLATED
    with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        size_bytes, sha256 = _copy(source, target)
    return ExportedFile(name=path.name, size_bytes=size_bytes, sha256=sha256)


def check_export(path: Path) -> Manifest:
    """Reads an archive back and compares every file with its manifest; raises OperatorError."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = Manifest.model_validate_json(archive.read(MANIFEST))
            told = {
                f"{PurePosixPath(call.folder) / file.name}": (file.size_bytes, file.sha256)
                for call in manifest.calls
                for file in call.files
            }
            held = set(archive.namelist()) - {MANIFEST}
            if held != set(told):
                raise OperatorError(f"{path}: its files are not those of its manifest")
            for name, expected in told.items():
                with archive.open(name) as source:
                    if _copy(source, None) != expected:
                        raise OperatorError(f"{path}: {name} is not what the manifest says")
    except (zipfile.BadZipFile, KeyError, ValidationError, EOFError) as error:
        raise OperatorError(f"{path}: is not an export of records, or it is damaged") from error
    return manifest


def _copy(source: IO[bytes], target: IO[bytes] | None) -> tuple[int, str]:
    """Length and SHA-256 of what `source` holds, copied to `target` where there is one."""
    digest, size_bytes = hashlib.sha256(), 0
    while data := source.read(COPY_BYTES):
        digest.update(data)
        size_bytes += len(data)
        if target is not None:
            target.write(data)
    return size_bytes, digest.hexdigest()
