"""Runs a Piper voice on ONNX Runtime: in windows where its network can be cut, else a sentence in one call.

A call that is going on ends at its next operation when the work is cancelled.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voice_inference.engines.base import CancelToken, FloatSamples
from voice_inference.engines.onnx_call import OnnxCall
from voice_inference.engines.onnx_session import PROCESSOR, Provider, open_session
from voice_inference.engines.tts.sound_windows import sound_windows
from voice_inference.engines.tts.voice_graph import VoiceParts

Inputs = Mapping[str, NDArray[Any]]
"""What a voice is given for a sentence, by the names of the network's inputs."""

OpenSession = Callable[[bytes | str], onnxruntime.InferenceSession]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPart:
    """A stretch of a sentence's sound at the voice's rate, float32."""

    samples: FloatSamples
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A sentence that is being spoken."""

    durations: NDArray[np.float32] | None
    """Frames of each phoneme id; None when the voice keeps them to itself."""
    parts: Iterator[SoundPart]
    """Its sound; reading it computes it."""


class VoiceNetwork(Protocol):
    """A voice; one thread uses it."""

    tells_durations: bool

    def speak(self, inputs: Inputs, cancel: CancelToken) -> Utterance:
        """One sentence. Raises Cancelled, here or when the parts are read."""


def session_opener(device: str, threads: int) -> OpenSession:
    """What opens a model, given as bytes or as a path, for `device` on `threads` threads."""
    cuda = device.startswith("cuda")
    provider: Provider = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}) if cuda else PROCESSOR

    # How long the speech gets is drawn anew for every text.
    return partial(open_session, threads=threads, provider=provider, any_length=True)


class WholeVoice:
    """A voice whose network cannot be cut: a sentence is one call."""

    def __init__(self, model: bytes | str, open_session: OpenSession, *, tells_durations: bool) -> None:
        self._session = open_session(model)
        self.tells_durations = tells_durations

    def speak(self, inputs: Inputs, cancel: CancelToken) -> Utterance:
        """See VoiceNetwork.speak."""
        sound, *others = OnnxCall(cancel).run(self._session, inputs)
        part = SoundPart(samples=sound.reshape(-1), last=True)
        durations = others[0].reshape(-1) if self.tells_durations else None
        return Utterance(durations=durations, parts=iter((part,)))


class WindowedVoice:
    """A voice whose frames are made in one call and whose sound in windows of them: it leaves sooner, a window needs
    little memory whatever the text, and the joined windows are equal to the sound of one call.
    """

    def __init__(self, parts: VoiceParts, open_session: OpenSession, *, rate_hz: int) -> None:
        self._encoder = open_session(parts.encoder)
        self._vocoder = open_session(parts.vocoder)
        self._shape = parts.shape
        self._frame_ms = 1000 * parts.shape.hop_samples / rate_hz
        self.tells_durations = parts.tells_durations

    def speak(self, inputs: Inputs, cancel: CancelToken) -> Utterance:
        """See VoiceNetwork.speak."""
        call = OnnxCall(cancel)
        latent, *others = call.run(self._encoder, inputs)
        sides = others[: len(self._shape.sides)]
        durations = others[-1].reshape(-1) if self.tells_durations else None
        return Utterance(durations=durations, parts=self._sound(call, latent, sides))

    def _sound(self, call: OnnxCall, latent: NDArray[np.float32], sides: Sequence[NDArray[Any]]) -> Iterator[SoundPart]:
        shape, frames = self._shape, latent.shape[-1]
        given: dict[str, NDArray[Any]] = dict(zip(shape.sides, sides, strict=True))
        for window in sound_windows(
            frames, frame_ms=self._frame_ms, before_frames=shape.before_frames, behind_frames=shape.behind_frames
        ):
            given[shape.latent] = np.ascontiguousarray(latent[..., window.given_first : window.given_end])
            (sound,) = call.run(self._vocoder, given)
            begin = (window.first - window.given_first) * shape.hop_samples
            length = (window.end - window.first) * shape.hop_samples
            samples = sound.reshape(-1)[begin : begin + length]
            yield SoundPart(samples=samples, last=window.end == frames)
