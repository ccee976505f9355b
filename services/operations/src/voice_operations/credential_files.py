"""Reads and writes files that prove who somebody is: certificates, keys, tokens; secret ones are kept from others."""

import os
import shlex
import stat
import tempfile
from pathlib import Path
from typing import Final

from voice_operations.operator_error import OperatorError

FILE_BYTES_MAX: Final = 1 << 20
"""Room for a bundle of every public CA."""

OPEN_TO_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP
"""The group may read: that is how a secret reaches a process that does not run as root in Kubernetes."""


def read_credential(path: Path, what: str, *, secret: bool) -> bytes:
    """The bytes of `path`, which is a `what`; raises OperatorError.

    A `secret` file that others may read, or the group write, is refused: it is no secret any more.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OperatorError(f"{path}: cannot be read as {what}: not a file")
            if secret and status.st_mode & OPEN_TO_OTHERS:
                mode = stat.S_IMODE(status.st_mode)
                raise OperatorError(
                    f"{path}: this {what} is open to other users (mode {mode:04o}); "
                    f"chmod 600 {shlex.quote(str(path))}, and replace it if others could have read it"
                )
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read as {what}: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise OperatorError(f"{path}: cannot be read as {what}: larger than {FILE_BYTES_MAX >> 10} KiB")
    return content


def write_credential(path: Path, content: bytes, *, secret: bool) -> None:
    """Writes `path` whole or not at all, readable by its owner only when `secret`; raises OperatorError."""
    try:
        descriptor, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(descriptor, 0o600 if secret else 0o644)
                file.flush()
                os.fsync(descriptor)
            os.replace(staged, path)
        except BaseException:
            os.unlink(staged)
            raise
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written: {error.strerror}") from error


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)
