"""Voices of Piper's shape with a few hundred weights: text, frames, a HiFi-GAN vocoder, sound; nothing is random."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from voice_inference.engines.onnx_messages import (
    ELEMENT_TYPES,
    Model,
    Node,
    add_node,
    add_tensor,
    add_value,
    new_model,
)

FLOAT, INT64 = "float32", "int64"
LATENT_CHANNELS = 3


def node(kind: str, given: Sequence[str], made: str, **attributes: float | str | Sequence[int]) -> Node:
    """A node for a voice's `extra`."""
    return add_node(new_model().graph, kind, given, [made], domain="", **attributes)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Raises the rate `stride` times, then adds what convolutions of `kernel` make of it, one for each dilation."""

    stride: int
    kernel: int = 3
    dilations: tuple[int, ...] = (1,)


PIPERS_STAGES = (Stage(stride=8, dilations=(1, 3)), Stage(stride=8), Stage(stride=4, kernel=5, dilations=(2,)))
"""256 samples a frame."""


@dataclass(kw_only=True)
class SmallVoice:
    """What is in a voice's file."""

    stages: tuple[Stage, ...] = PIPERS_STAGES
    frames_of_id: int = 2
    speakers: int = 1
    tells: bool = True
    """Whether it has a Ceil node."""
    extra: tuple[Node, ...] = ()
    """Nodes before the vocoder's end, from `wave` to `bent`."""
    seed: int = 0
    _file: Model = field(default_factory=new_model)

    def model(self) -> bytes:
        """The bytes of the model file."""
        self._file = new_model()
        self._encoder()
        self._vocoder()
        self._add("Unsqueeze", ["bent" if self.extra else "wave", "one"], "output")
        graph = self._file.graph
        self._file.ir_version, graph.name = 8, "g"
        self._file.opset_import.add(version=15)
        inputs = [("input", INT64), ("input_lengths", INT64), ("scales", FLOAT)]
        inputs += [("sid", INT64)] if self.speakers > 1 else []
        for name, element in inputs:
            add_value(graph.input, name, element)
        add_value(graph.output, "output", FLOAT)
        add_value(graph.value_info, "wave", FLOAT)
        return self._file.SerializeToString()

    def write(self, folder: Path, name: str = "xx_XX-small", *, rate_hz: int = 22_050, phonemes: str = "text") -> Path:
        """Writes the voice and its settings, and returns the model file; of `text` each letter is a phoneme."""
        path = folder / f"{name}.onnx"
        path.write_bytes(self.model())
        settings = {
            "audio": {"sample_rate": rate_hz},
            "espeak": {"voice": "en-us"},
            "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
            "phoneme_type": phonemes,
            "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
            "num_symbols": 256,
            "num_speakers": self.speakers,
        }
        path.with_suffix(".onnx.json").write_text(json.dumps(settings), encoding="utf-8")
        return path

    def _encoder(self) -> None:
        """`input` to `z` (1, LATENT_CHANNELS, frames): waves whose frequency is the id."""
        self._constant("one", np.array([1], dtype=np.int64))
        self._constant("three", np.array([3], dtype=np.int64))
        self._constant("first", np.array([0], dtype=np.int64))
        self._constant("nothing", np.array(0, dtype=np.float32))
        self._constant("shape", np.array([1, 1, -1], dtype=np.int64))
        self._constant("repeat", np.array([1, 1, 1, self.frames_of_id], dtype=np.int64))
        self._constant("duration", np.array(self.frames_of_id - 0.5, dtype=np.float32))
        self._add("Cast", ["input"], "ids", to=ELEMENT_TYPES[FLOAT])
        self._add("Cast", ["input_lengths"], "length", to=ELEMENT_TYPES[FLOAT])
        self._add("Gather", ["scales", "first"], "scale")
        self._add("Mul", ["length", "scale"], "unused")
        self._add("Mul", ["unused", "nothing"], "none")
        self._add("Add", ["ids", "none"], "spoken")
        self._add("Unsqueeze", ["spoken", "one"], "letters")
        self._add("Mul", ["letters", "nothing"], "zeros")
        self._add("Add", ["zeros", "duration"], "long")
        self._add("Ceil" if self.tells else "Neg", ["long"], "durations")
        self._add("Mul", ["durations", "nothing"], "zeros_again")
        self._add("Add", ["letters", "zeros_again"], "timed")
        self._add("Unsqueeze", ["timed", "three"], "column")
        self._add("Expand", ["column", "repeat"], "table")
        self._add("Reshape", ["table", "shape"], "frames")
        self._convolve("Conv", "frames", "z_wave", 1, LATENT_CHANNELS, kernel=1)
        self._add("Sin", ["z_wave"], "z")

    def _vocoder(self) -> None:
        channels = 4
        self._convolve("Conv", "z", "pre", LATENT_CHANNELS, channels, kernel=7)
        at = "pre"
        if self.speakers > 1:
            self._constant("voices", self._drawn((self.speakers, 2)))
            self._constant("two", np.array([2], dtype=np.int64))
            self._add("Gather", ["voices", "sid"], "voice")
            self._add("Unsqueeze", ["voice", "two"], "voice_column")
            self._convolve("Conv", "voice_column", "colour", 2, channels, kernel=1)
            self._add("Add", ["pre", "colour"], "coloured")
            at = "coloured"
        for index, stage in enumerate(self.stages):
            self._add("LeakyRelu", [at], f"bent{index}")
            # Twice the stride in width, as HiFi-GAN has it; an odd stride needs one more to stay a multiple.
            kernel = 2 * stage.stride + stage.stride % 2
            self._convolve("ConvTranspose", f"bent{index}", f"up{index}", channels, channels, kernel, stage.stride)
            at = f"up{index}"
            for dilation in stage.dilations:
                name = f"{index}_{dilation}"
                self._add("LeakyRelu", [at], f"soft{name}")
                self._convolve("Conv", f"soft{name}", f"conv{name}", channels, channels, stage.kernel, dilation)
                self._add("Add", [f"conv{name}", at], f"sum{name}")
                at = f"sum{name}"
        self._convolve("Conv", at, "post", channels, 1, kernel=7)
        self._add("Tanh", ["post"], "wave")
        self._file.graph.node.extend(self.extra)

    def _convolve(self, kind: str, given: str, made: str, into: int, out: int, kernel: int, step: int = 1) -> None:
        """`step` is the dilation of a convolution and the stride of a transposed one."""
        transposed = kind == "ConvTranspose"
        shape = (into, out, kernel) if transposed else (out, into, kernel)
        # Small enough at the end that the sound is not pressed flat.
        size = 0.2 if made == "post" else 2.0
        self._constant(f"{made}.weight", self._drawn(shape) * np.float32(size / np.sqrt(into * kernel)))
        pads = (kernel - step) // 2 if transposed else step * (kernel - 1) // 2
        self._add(
            kind,
            [given, f"{made}.weight"],
            made,
            kernel_shape=[kernel],
            strides=[step if transposed else 1],
            dilations=[1 if transposed else step],
            pads=[pads, pads],
            group=1,
        )

    def _drawn(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        graph = self._file.graph
        generator = np.random.default_rng([self.seed, len([*graph.node, *graph.initializer])])
        return generator.normal(size=shape).astype(np.float32)

    def _constant(self, name: str, values: NDArray[Any]) -> None:
        add_tensor(self._file.graph, name, values)

    def _add(self, kind: str, given: Sequence[str], made: str, **attributes: int | Sequence[int]) -> None:
        add_node(self._file.graph, kind, given, [made], domain="", **attributes)
