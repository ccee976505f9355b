"""Where a voice is cut, and that its sound in windows is the sound of one call."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.small_voice import PIPERS_STAGES, SmallVoice, Stage, node

from voice_inference.engines.onnx_messages import Node
from voice_inference.engines.tts.network_parts import read_network
from voice_inference.engines.tts.sound_windows import SoundWindow, sound_windows
from voice_inference.engines.tts.vocoder_cut import UnknownShapeError, Vocoder, find_vocoder
from voice_inference.engines.tts.voice_graph import VoiceParts, voice_parts

IDS = np.arange(40) % 23 + 1


def opened(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


def inputs(ids: NDArray[np.int64], *, speaker: int | None = None) -> dict[str, NDArray[Any]]:
    """What a voice is given."""
    given: dict[str, NDArray[Any]] = {
        "input": ids[None].astype(np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array([0.667, 1, 0.8], dtype=np.float32),
    }
    return given if speaker is None else given | {"sid": np.array([speaker], dtype=np.int64)}


def joined(parts: VoiceParts, given: dict[str, NDArray[Any]], window: Callable[[SoundWindow], SoundWindow]) -> Any:
    """The sound in windows of few frames, each changed by `window`."""
    shape = parts.shape
    latent, *others = opened(parts.encoder).run(None, given)
    sides = dict(zip(shape.sides, others, strict=False))
    vocoder = opened(parts.vocoder)
    pieces = []
    for planned in sound_windows(
        latent.shape[-1], frame_ms=60, before_frames=shape.before_frames, behind_frames=shape.behind_frames
    ):
        used = window(planned)
        (sound,) = vocoder.run(None, {shape.latent: latent[..., used.given_first : used.given_end]} | sides)
        begin = (used.first - used.given_first) * shape.hop_samples
        pieces.append(sound.reshape(-1)[begin : begin + (used.end - used.first) * shape.hop_samples])
    return np.concatenate(pieces)


def off(voice: SmallVoice, path: Path, window: Callable[[SoundWindow], SoundWindow] = lambda window: window) -> float:
    """Largest difference between windows and one call, as a share of the loudest sample."""
    path.write_bytes(voice.model())
    given = inputs(IDS, speaker=1 if voice.speakers > 1 else None)
    whole = opened(voice.model()).run(None, given)[0].reshape(-1)
    parts = joined(voice_parts(path), given, window)
    assert len(parts) == len(whole)
    return float(np.abs(parts - whole).max() / np.abs(whole).max())


@pytest.mark.parametrize("speakers", [1, 3])
def test_joined_windows_are_the_sound_of_one_call(tmp_path: Path, speakers: int) -> None:
    assert off(SmallVoice(speakers=speakers), tmp_path / "voice.onnx") < 1e-5


stages = st.builds(
    Stage,
    stride=st.integers(1, 6),
    kernel=st.sampled_from((1, 3, 5, 7)),
    dilations=st.lists(st.integers(1, 6), max_size=2, unique=True).map(tuple),
)


@given(stages=st.lists(stages, min_size=1, max_size=3).map(tuple), seed=st.integers(0, 9))
def test_joined_windows_of_any_vocoder_are_the_sound_of_one_call(
    tmp_path_factory: pytest.TempPathFactory, stages: tuple[Stage, ...], seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_voice.onnx"
    assert off(SmallVoice(stages=stages, seed=seed), path) < 1e-5


def test_a_window_is_given_no_more_than_it_needs(tmp_path: Path) -> None:
    """One frame fewer on either side, and the sound is another."""

    def later(window: SoundWindow) -> SoundWindow:
        return replace(window, given_first=min(window.given_first + 1, window.first))

    def earlier(window: SoundWindow) -> SoundWindow:
        return replace(window, given_end=max(window.given_end - 1, window.end))

    voice = SmallVoice(stages=(Stage(stride=2, kernel=7, dilations=(3,)), Stage(stride=2)))
    for window in (later, earlier):
        assert off(voice, tmp_path / "voice.onnx", window) > 1e-4


def test_each_part_has_its_own_weights_only(tmp_path: Path) -> None:
    path = tmp_path / "voice.onnx"
    path.write_bytes(SmallVoice(speakers=2).model())
    parts = voice_parts(path)
    encoder, vocoder = (set(read_network(model).weights) for model in (parts.encoder, parts.vocoder))
    whole = read_network(path.read_bytes()).weights
    # The axis of the last Unsqueeze is used by both.
    assert encoder & vocoder == {"one"}
    assert encoder | vocoder == set(whole)
    assert "colour.weight" in encoder
    assert "post.weight" in vocoder


def test_what_the_speaker_adds_is_made_once_and_given_to_every_window(tmp_path: Path) -> None:
    network = read_network(SmallVoice(speakers=2).model())
    vocoder, _ = find_vocoder(network)
    assert vocoder == Vocoder(
        latent="z", sides=("colour",), hop_samples=256, before_frames=vocoder.before_frames, behind_frames=5
    )


def reason(model: bytes) -> str:
    with pytest.raises(UnknownShapeError) as refused:
        find_vocoder(read_network(model))
    return str(refused.value)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (node("Softmax", ["wave"], "bent"), "its vocoder has a Softmax"),
        (node("Add", ["wave", "letters"], "bent"), "its vocoder is given letters beside its frames"),
        (node("Add", ["wave", "up0"], "bent"), "its vocoder joins tensors of different rates"),
        (node("Conv", ["wave", "up0"], "bent"), "a Conv of its vocoder takes more than one tensor that is computed"),
        (
            node("Conv", ["wave", "w"], "bent", kernel_shape=[3], strides=[1], dilations=[1], pads=[1, 0]),
            "a convolution of its vocoder shortens the sound",
        ),
        (
            node("ConvTranspose", ["wave", "w"], "bent", kernel_shape=[4], strides=[2], dilations=[1], pads=[0, 0]),
            "a convolution of its vocoder shortens the sound",
        ),
        (
            node("Conv", ["wave", "w"], "bent", kernel_shape=[3, 3], strides=[1, 1], dilations=[1, 1], pads=[1] * 4),
            "a convolution of its vocoder is not over time alone",
        ),
        (node("If", ["length"], "bent"), "a part of it is written inside a node"),
    ],
)
def test_a_vocoder_that_cannot_be_run_in_windows_is_left_whole(extra: Node, told: str) -> None:
    assert reason(SmallVoice(extra=(extra,)).model()) == told


def test_a_convolution_that_pads_by_itself_is_not_trusted() -> None:
    sizes: dict[str, list[int]] = {"kernel_shape": [3], "strides": [1], "dilations": [1], "pads": [1, 1]}
    plain = node("Conv", ["wave", "w"], "bent", **sizes, auto_pad="NOTSET")
    find_vocoder(read_network(SmallVoice(extra=(plain,)).model()))
    itself = node("Conv", ["wave", "w"], "bent", **sizes, auto_pad="SAME_LOWER")
    assert reason(SmallVoice(extra=(itself,)).model()) == "a convolution of its vocoder is not over time alone"


def test_a_network_without_a_vocoder_is_left_whole() -> None:
    assert reason(SmallVoice(stages=()).model()) == "nothing in it raises the rate as a vocoder does"


def test_sound_that_does_not_come_from_the_vocoder_is_left_whole() -> None:
    extra = (node("Softmax", ["length"], "bent"),)
    assert reason(SmallVoice(extra=extra).model()) == "its sound does not follow from the vocoder"


def test_constants_written_as_nodes_go_with_the_vocoder(tmp_path: Path) -> None:
    half = node("Constant", [], "half", value_float=0.5)
    voice = SmallVoice(extra=(half, node("Mul", ["wave", "half"], "bent")))
    assert off(voice, tmp_path / "voice.onnx") < 1e-5


@pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\xff\xff\x03cut", b"\x80" * 40, b"\x0b", b"\x08\x08"])
def test_a_file_that_is_no_model_is_of_no_known_shape(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "voice.onnx"
    path.write_bytes(content)
    with pytest.raises(UnknownShapeError):
        voice_parts(path)


def test_a_graph_with_parts_not_known_here_is_refused() -> None:
    # The same model with an empty field more in its graph: of documentation, of sparse weights.
    model = SmallVoice().model()
    assert read_network(model + b"\x3a\x02\x52\x00").nodes
    with pytest.raises(ValueError, match="a field number 15"):
        read_network(model + b"\x3a\x02\x7a\x00")


@given(cut=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged_voice.onnx"
    model = bytearray(SmallVoice(stages=PIPERS_STAGES[:1]).model())
    model[cut % len(model)] = byte
    path.write_bytes(model)
    try:
        voice_parts(path)
    except UnknownShapeError:
        return


def test_the_file_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = SmallVoice().write(tmp_path)
    parts = voice_parts(path)
    assert parts.shape.latent == "z"
    assert str(path) not in Path("/proc/self/maps").read_text(encoding="utf-8")
