"""Reads the weights in a model file of CTranslate2, as its converters write it."""

import mmap
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MODEL_FILE: Final = "model.bin"
LAYOUT: Final = 6
"""Number of the layout that is known; it stands first in the file."""

ELEMENT_TYPES: Final = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


class _Cursor:
    """Walks over the bytes of a file."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from("<" + kind, self._content, self._at)
        self._at += struct.calcsize("<" + kind)
        return int(value)

    def text(self) -> str:
        """A length that counts the zero byte at the end, then the bytes."""
        length = self.number("H")
        found = self._content[self._at : self._at + length - 1]
        self._at += length
        return found.decode()

    def weight(self) -> NDArray[Any]:
        shape = [self.number("I") for _ in range(self.number("B"))]
        element = np.dtype(ELEMENT_TYPES[self.number("B")])
        size_bytes = self.number("I")
        found = np.frombuffer(self._content, element, size_bytes // element.itemsize, self._at).reshape(shape)
        self._at += size_bytes
        return found


def read_weights(file: Path) -> dict[str, NDArray[Any]]:
    """Every weight by its name, as a read-only view of the mapped file, which stays mapped while a view lives. A name
    that stands for another's weight has the same view. Raises ValueError for a file of another kind or layout.
    """
    with file.open("rb") as opened:
        head = opened.read(struct.calcsize("<I"))
        if len(head) < struct.calcsize("<I"):
            raise ValueError(f"{file} is no model file of CTranslate2")
        (layout,) = struct.unpack("<I", head)
        if layout != LAYOUT:
            raise ValueError(f"{file} has layout {layout}, known is {LAYOUT}")
        cursor = _Cursor(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return _weights(cursor)
    except (struct.error, ValueError, KeyError) as error:
        raise ValueError(f"{file} is no model file of CTranslate2") from error


def _weights(cursor: _Cursor) -> dict[str, NDArray[Any]]:
    cursor.number("I")  # the layout
    cursor.text()  # the architecture
    cursor.number("I")  # its revision
    weights = {cursor.text(): cursor.weight() for _ in range(cursor.number("I"))}
    for _ in range(cursor.number("I")):
        name = cursor.text()
        weights[name] = weights[cursor.text()]
    return weights
