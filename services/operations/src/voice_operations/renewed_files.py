"""What is made of files, made again when the files have changed: certificates are renewed without a restart."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from voice_operations.operator_error import OperatorError

T = TypeVar("T")
Signature = tuple[tuple[int, int, int] | None, ...]

log = structlog.get_logger(__name__)


class RenewedFiles(Generic[T]):
    """`current()` is what `make` makes of the files at `paths`. May be called by any thread.

    Files that cannot be used (half of a pair is written, one is gone) leave what was made before, and are looked at
    again when they change again. The constructor raises what `make` raises.
    """

    def __init__(self, paths: tuple[Path, ...], make: Callable[[], T]) -> None:
        self._paths, self._make = paths, make
        self._seen = self._signature()
        self._made = make()

    def current(self) -> T:
        """The present thing; costs a look at each file's time."""
        signature = self._signature()
        if signature != self._seen:
            self._seen = signature
            try:
                self._made = self._make()
                log.info("certificates_renewed", files=[str(path) for path in self._paths])
            except OperatorError as error:
                log.warning("certificates_not_renewed", problem=str(error))
        return self._made

    def _signature(self) -> Signature:
        return tuple(_signature_of(path) for path in self._paths)


def _signature_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
