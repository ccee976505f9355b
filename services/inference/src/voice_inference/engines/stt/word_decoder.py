"""Writes down what Whisper's encoder heard with ONNX Runtime: greedily, the words that were expected in one step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voice_inference.engines.base import CancelToken
from voice_inference.engines.stt.ctranslate2_file import read_weights
from voice_inference.engines.stt.decoder_network import DecoderNetworks, decoder_networks
from voice_inference.engines.stt.heard_sound import LONG_FRAMES, HeardSound, emphasis_for
from voice_inference.engines.stt.network_layers import Floats, rows_of

EMBEDDINGS: Final = "decoder/embeddings/weight"
POSITIONS: Final = "decoder/position_encodings/encodings"

Feeds = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What was written; `log_probability` is the mean per token, the end counted as one.

    `goes_on`: of a mark that says so, in place of every token and of the end; empty when that is not known.
    """

    ids: list[int]
    log_probability: float
    no_speech: float
    goes_on: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """Ids that mean something; `never` are not written, `not_first` not as the first, `goes_on` are marks that say that
    a sentence is not over.
    """

    prompt: tuple[int, ...]
    """Start of transcript first."""
    end: int
    no_speech: int
    never: NDArray[np.int64]
    not_first: NDArray[np.int64]
    goes_on: NDArray[np.int64]


class WordDecoder:
    """Greedy, without timestamps. One call at a time."""

    def __init__(self, model_file: Path, *, threads: int) -> None:
        """Of CTranslate2's file. Raises ValueError when it, or the model, is not of the known shape."""
        networks = decoder_networks(read_weights(model_file))
        self._layers = networks.layers
        self._memory = networks.memory.open(threads)
        self._step = networks.step.open(threads)
        self._memory_names = [value.name for value in self._memory.get_outputs()]
        self._nothing = _no_past(networks)
        self._remembered_long = False
        # Mapped anew: of the file, all of which was read, only the rows of tokens that are written come into memory.
        self._weights = read_weights(model_file)
        self._positions = rows_of(self._weights, POSITIONS, slice(None))

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows."""
        return len(self._weights[EMBEDDINGS])

    def write(
        self, sound: HeardSound, special: SpecialTokens, limit: int, cancel: CancelToken, draft: Sequence[int] = ()
    ) -> Tokens:
        """The words in `sound`, at most `limit` tokens. Raises Cancelled.

        `draft` is what the first tokens may be. It is read in one step and kept as far as each token is the one that
        would have been written: 16 tokens cost what 3 cost one by one (Leviathan et al. 2023, arXiv:2211.17192, with
        a draft that was made already).
        """
        heard = self._remember(sound.frames, cancel)
        feeds = {**self._nothing, **dict(zip(self._memory_names, heard, strict=True))}
        prompt, draft = special.prompt, tuple(draft[:limit])
        wanted = (0, *range(len(prompt) - 1, len(prompt) + len(draft)))
        start, *ahead = self._scores(feeds, sound, (*prompt, *draft), cancel, at=0, rows=wanted)
        no_speech = _probability(start, special.no_speech)
        ahead[0][special.not_first] = -np.inf
        ids: list[int] = []
        goes_on: list[float] = []
        total = 0.0
        while True:
            scores = ahead.pop(0)
            scores[special.never] = -np.inf
            best = int(scores.argmax())
            powers = np.exp(scores - scores[best])
            all_ = float(powers.sum())
            total -= log(all_)
            goes_on.append(float(powers[special.goes_on].sum()) / all_)
            if best == special.end or len(ids) == limit:
                mean = total / (len(ids) + 1)
                return Tokens(ids=ids, log_probability=mean, no_speech=no_speech, goes_on=goes_on)
            ids.append(best)
            if ahead and draft[len(ids) - 1] == best:
                continue
            if ahead:
                self._cut_past(feeds, len(prompt) + len(ids) - 1)
            ahead = [*self._scores(feeds, sound, (best,), cancel, at=len(prompt) + len(ids) - 1, rows=(0,))]

    def _remember(self, frames: Floats, cancel: CancelToken) -> list[Any]:
        """Keys and values of every layer. What a long window needed is given back when the next one is made: it is in
        use until then.
        """
        cancel.raise_if_cancelled()
        options = onnxruntime.RunOptions()
        if self._remembered_long:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._remembered_long = frames.shape[1] >= LONG_FRAMES
        made: list[Any] = self._memory.run_with_ort_values(None, {"frames": _value(frames)}, options)
        return made

    def _scores(
        self,
        feeds: Feeds,
        sound: HeardSound,
        tokens: tuple[int, ...],
        cancel: CancelToken,
        *,
        at: int,
        rows: tuple[int, ...],
    ) -> Floats:
        """Floats of what follows the tokens number `rows`, (rows, vocabulary); `feeds` get the new past."""
        read = rows_of(self._weights, EMBEDDINGS, np.array(tokens)) + self._positions[at : at + len(tokens)]
        feeds["tokens"], feeds["rows"] = _value(read[np.newaxis]), _value(np.array(rows))
        feeds["emphasis"] = _value(emphasis_for(len(tokens), sound.emphasis))
        scores, *past = self._run(self._step, feeds, cancel)
        for layer in range(self._layers):
            feeds[f"past_key_{layer}"], feeds[f"past_value_{layer}"] = past[2 * layer : 2 * layer + 2]
        found: Floats = scores.numpy()[0]
        return found

    def _run(self, session: onnxruntime.InferenceSession, feeds: Feeds, cancel: CancelToken) -> list[Any]:
        cancel.raise_if_cancelled()
        made: list[Any] = session.run_with_ort_values(None, feeds)
        return made

    def _cut_past(self, feeds: Feeds, tokens: int) -> None:
        """Has `feeds` hold the past of so many tokens only."""
        for name in self._nothing:
            feeds[name] = _value(np.ascontiguousarray(feeds[name].numpy()[:, :, :tokens]))


def _value(array: NDArray[Any]) -> onnxruntime.OrtValue:
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _probability(scores: Floats, token: int) -> float:
    powers = np.exp(scores - scores.max())
    return float(powers[token] / powers.sum())


def _no_past(networks: DecoderNetworks) -> Feeds:
    nothing = np.zeros((1, networks.heads, 0, networks.head_size), dtype=np.float32)
    return {f"past_{what}_{layer}": _value(nothing) for layer in range(networks.layers) for what in ("key", "value")}
