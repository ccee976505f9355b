"""Voices that keep their durations to themselves are made to tell, and others are left alone."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from voice_inference.engines.tts.voice_graph import with_durations


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protobuf message; lengths below 128 times 128."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return bytes([number << 3 | 2]) + size + content


def node(kind: bytes, given: bytes, made: bytes) -> bytes:
    return field(1, field(1, given) + field(2, made) + field(4, kind))


def value(number: int, name: bytes) -> bytes:
    """An input or output of the graph: float32 of any length."""
    shape = field(2, field(1, field(2, b"n")))
    return field(number, field(1, name) + field(2, field(1, field(1, 1) + shape)))


def voice(path: Path, *nodes: bytes, outputs: tuple[bytes, ...] = (b"sound",)) -> Path:
    """A model file: `x` goes in, `sound` comes out of the last node."""
    graph = b"".join(nodes) + field(2, b"g") + value(11, b"x") + b"".join(value(12, name) for name in outputs)
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return path


def test_the_durations_come_out_beside_the_sound_and_the_file_stays(tmp_path: Path) -> None:
    path = voice(tmp_path / "voice.onnx", node(b"Ceil", b"x", b"w_ceil"), node(b"Neg", b"w_ceil", b"sound"))
    before = path.read_bytes()
    extended = with_durations(path)
    assert extended is not None
    session = onnxruntime.InferenceSession(extended, providers=["CPUExecutionProvider"])
    sound, durations = session.run(None, {"x": np.array([0.5, 1.5], dtype=np.float32)})
    assert [output.name for output in session.get_outputs()] == ["sound", "w_ceil"]
    assert (sound.tolist(), durations.tolist()) == ([-1.0, -2.0], [1.0, 2.0])
    assert path.read_bytes() == before


def test_a_voice_without_that_node_is_left_alone(tmp_path: Path) -> None:
    assert with_durations(voice(tmp_path / "voice.onnx", node(b"Neg", b"x", b"sound"))) is None


def test_a_voice_with_several_such_nodes_is_left_alone(tmp_path: Path) -> None:
    nodes = (node(b"Ceil", b"x", b"one"), node(b"Ceil", b"one", b"two"), node(b"Neg", b"two", b"sound"))
    assert with_durations(voice(tmp_path / "voice.onnx", *nodes)) is None


def test_a_voice_that_tells_already_is_left_alone(tmp_path: Path) -> None:
    nodes = (node(b"Ceil", b"x", b"w_ceil"), node(b"Neg", b"w_ceil", b"sound"))
    assert with_durations(voice(tmp_path / "voice.onnx", *nodes, outputs=(b"sound", b"w_ceil"))) is None


@pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\xff\xff\x03cut", b"\x80" * 40, b"\x0b"])
def test_a_file_that_is_no_model_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "voice.onnx"
    path.write_bytes(content)
    assert with_durations(path) is None
