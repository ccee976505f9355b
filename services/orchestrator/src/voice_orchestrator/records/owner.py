"""Which processes are writing: a locked file each, so that a call whose process was killed is known from one that runs.

The lock goes with the process however it ends. Several processes may share one data folder, as they do while one that
drains is replaced.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

OWNERS_FOLDER: Final = ".owners"
HOUSEKEEPING_FILE: Final = ".housekeeping"


class Owner:
    """The present process as a writer of `root`; safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fd: int | None = None
        self._taking = threading.Lock()
        self.id = ""
        """Name of the lock; empty before it is taken."""

    def take(self) -> None:
        """Takes the lock unless it is held already; raises OSError."""
        with self._taking:
            if self._fd is None:
                self._take()

    def _take(self) -> None:
        folder = self._root / OWNERS_FOLDER
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        os.close(_housekeeping_file(self._root))  # so that a disk without room for one more file can be swept
        while True:
            name = secrets.token_hex(8)
            fd = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                # Somebody who tidies up may have come between: then the lock is on a file that nobody finds.
                held = (folder / name).exists()
            except OSError:
                os.close(fd)
                raise
            if held:
                self._fd, self.id = fd, name
                return
            os.close(fd)

    def give_back(self) -> None:
        """Gives the lock back; calls that are still open count as abandoned from here on."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):
                (self._root / OWNERS_FOLDER / self.id).unlink()
            os.close(fd)


def is_alive(root: Path, owner_id: str) -> bool:
    """Whether the process of that name still runs; tidies its lock away when it does not. Raises OSError."""
    if not owner_id or "/" in owner_id:
        return False
    try:
        fd = os.open(root / OWNERS_FOLDER / owner_id, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: several may ask at once
        (root / OWNERS_FOLDER / owner_id).unlink(missing_ok=True)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def tidy_owners(root: Path) -> None:
    """Removes the locks of processes that are gone; raises OSError."""
    with suppress(FileNotFoundError):
        for name in os.listdir(root / OWNERS_FOLDER):
            is_alive(root, name)


@contextmanager
def housekeeping(root: Path) -> Iterator[None]:
    """Only one at a time sweeps, erases or exports, whichever process it is in; waits for it; raises OSError."""
    fd = _housekeeping_file(root)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _housekeeping_file(root: Path) -> int:
    return os.open(root / HOUSEKEEPING_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
