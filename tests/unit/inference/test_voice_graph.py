"""Voices that keep their durations to themselves are made to tell, and others are left alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from voice_inference.engines.onnx_messages import add_node, add_value, new_model
from voice_inference.engines.tts.voice_graph import with_durations


def voice(path: Path, *nodes: tuple[str, str, str], outputs: Sequence[str] = ("sound",)) -> Path:
    """A model file: `x` goes in, `sound` comes out of the last node; each is a kind, what it is given and makes."""
    model = new_model()
    model.ir_version, model.graph.name = 8, "g"
    model.opset_import.add(version=13)
    for kind, given, made in nodes:
        add_node(model.graph, kind, [given], [made])
    add_value(model.graph.input, "x", "float32", ["n"])
    for name in outputs:
        add_value(model.graph.output, name, "float32", ["n"])
    path.write_bytes(model.SerializeToString())
    return path


def test_the_durations_come_out_beside_the_sound_and_the_file_stays(tmp_path: Path) -> None:
    path = voice(tmp_path / "voice.onnx", ("Ceil", "x", "w_ceil"), ("Neg", "w_ceil", "sound"))
    before = path.read_bytes()
    extended = with_durations(path)
    assert extended is not None
    session = onnxruntime.InferenceSession(extended, providers=["CPUExecutionProvider"])
    sound, durations = session.run(None, {"x": np.array([0.5, 1.5], dtype=np.float32)})
    assert [output.name for output in session.get_outputs()] == ["sound", "w_ceil"]
    assert (sound.tolist(), durations.tolist()) == ([-1.0, -2.0], [1.0, 2.0])
    assert path.read_bytes() == before


def test_a_voice_without_that_node_is_left_alone(tmp_path: Path) -> None:
    assert with_durations(voice(tmp_path / "voice.onnx", ("Neg", "x", "sound"))) is None


def test_a_voice_with_several_such_nodes_is_left_alone(tmp_path: Path) -> None:
    nodes = (("Ceil", "x", "one"), ("Ceil", "one", "two"), ("Neg", "two", "sound"))
    assert with_durations(voice(tmp_path / "voice.onnx", *nodes)) is None


def test_a_voice_that_tells_already_is_left_alone(tmp_path: Path) -> None:
    nodes = (("Ceil", "x", "w_ceil"), ("Neg", "w_ceil", "sound"))
    assert with_durations(voice(tmp_path / "voice.onnx", *nodes, outputs=("sound", "w_ceil"))) is None


@pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\xff\xff\x03cut", b"\x80" * 40, b"\x0b"])
def test_a_file_that_is_no_model_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "voice.onnx"
    path.write_bytes(content)
    assert with_durations(path) is None
