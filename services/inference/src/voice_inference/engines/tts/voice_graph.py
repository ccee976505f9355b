"""Makes a Piper voice tell how long each phoneme is, without the onnx package and without changing its file.

The network computes the durations, rounds them up with its one Ceil node and keeps them to itself. A serialised
protobuf message followed by another of its type reads as both merged, so a few bytes behind the model's own add the
output of that node to the outputs of the graph.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

GRAPH: Final = 7
"""Field of ModelProto; the next four are of GraphProto, NodeProto and ValueInfoProto of the ONNX format."""
NODE: Final = 1
GRAPH_OUTPUT: Final = 12
NODE_OUTPUT: Final = 2
NODE_OP_TYPE: Final = 4
VALUE_NAME: Final = 1

VARINT, FIXED_64, LENGTH_DELIMITED, FIXED_32 = 0, 1, 2, 5
FIXED_BYTES: Final = {FIXED_64: 8, FIXED_32: 4}


def with_durations(model_file: Path) -> bytes | None:
    """The model in `model_file` with the durations as a further output, or None when it cannot be so extended."""
    if not model_file.stat().st_size:
        return None
    with model_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        view = memoryview(data)
        try:
            name = _durations_name(view)
        except (IndexError, ValueError):
            return None
        finally:
            view.release()
        if name is None:
            return None
        output = _field(GRAPH_OUTPUT, _field(VALUE_NAME, name))
        return b"".join((data, _field(GRAPH, output)))


def _durations_name(model: memoryview) -> bytes | None:
    """Name of what the only Ceil node gives; None when there is another number of them, or it is an output already."""
    names: list[bytes] = []
    outputs: list[bytes] = []
    for graph in _parts(model, GRAPH):
        outputs += [bytes(name) for output in _parts(graph, GRAPH_OUTPUT) for name in _parts(output, VALUE_NAME)]
        for node in _parts(graph, NODE):
            if [bytes(kind) for kind in _parts(node, NODE_OP_TYPE)] == [b"Ceil"]:
                names += [bytes(name) for name in _parts(node, NODE_OUTPUT)]
    return names[0] if len(names) == 1 and names[0] not in outputs else None


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The length-delimited fields number `wanted`. Raises IndexError or ValueError for what is no message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind == LENGTH_DELIMITED:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field ends behind its message")
            if number == wanted:
                yield message[at : at + length]
            at += length
        elif kind in FIXED_BYTES:
            at += FIXED_BYTES[kind]
        else:
            raise ValueError(f"no field has the wire type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _field(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | LENGTH_DELIMITED) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
