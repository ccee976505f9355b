"""Why a file of a call ended before the call did."""

import errno
from enum import Enum
from typing import Final


class CutReason(Enum):
    """The closed list; operators see these words in logs, metrics and record.json."""

    DISK_FULL = "disk_full"
    IO_ERROR = "io_error"
    SIZE_CAP = "size_cap"
    WRITER_BEHIND = "writer_behind"


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def cut_reason(error: OSError) -> CutReason:
    """What an error of the disk means for the file that was being written."""
    return CutReason.DISK_FULL if error.errno in _FULL else CutReason.IO_ERROR
