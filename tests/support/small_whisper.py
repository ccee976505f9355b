"""Whisper's shape in small, with weights of chance: a file as CTranslate2 writes it, and its arithmetic in NumPy."""

import struct
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voice_inference.engines.base import CancelToken
from voice_inference.engines.stt.heard_sound import HeardSound
from voice_inference.engines.stt.word_decoder import SpecialTokens

SIZE, HEADS, LAYERS, BANDS, VOCABULARY, PLACES = 64, 2, 2, 80, 97, 1_500
HEAD_SIZE = SIZE // HEADS
FRAMES = 40
PROMPT = (90, 91, 92)
END = 89
MARKS = (3, 11, 40)

Floats = NDArray[np.float32]
Weights = dict[str, NDArray[Any]]


# --- a model of chance


def chance(random: np.random.Generator, *shape: int) -> Floats:
    values: Floats = (random.normal(0, 1, shape) / np.sqrt(shape[-1])).astype(np.float32)
    return values


def add_linear(weights: Weights, random: np.random.Generator, name: str, made: int, given: int) -> None:
    weights[f"{name}/weight"] = chance(random, made, given)
    weights[f"{name}/bias"] = chance(random, made)


def add_norm(weights: Weights, random: np.random.Generator, name: str) -> None:
    weights[f"{name}/gamma"] = 1 + chance(random, SIZE)
    weights[f"{name}/beta"] = chance(random, SIZE)


def small_model() -> Weights:
    """Names as CTranslate2 gives them."""
    random = np.random.default_rng(5)
    weights: Weights = {
        "encoder/conv1/weight": chance(random, SIZE, BANDS, 3) / 4,
        "encoder/conv1/bias": chance(random, SIZE),
        "encoder/conv2/weight": chance(random, SIZE, SIZE, 3) / 4,
        "encoder/conv2/bias": chance(random, SIZE),
        "encoder/position_encodings/encodings": chance(random, PLACES, SIZE),
        "decoder/position_encodings/encodings": chance(random, 448, SIZE),
        "decoder/embeddings/weight": chance(random, VOCABULARY, SIZE) * 4,
    }
    for half in ("encoder", "decoder"):
        add_norm(weights, random, f"{half}/layer_norm")
        weights[f"{half}/num_heads"] = np.array(HEADS, dtype=np.int16)
        for layer in range(LAYERS):
            scope = f"{half}/layer_{layer}"
            add_linear(weights, random, f"{scope}/self_attention/linear_0", 3 * SIZE, SIZE)
            add_linear(weights, random, f"{scope}/self_attention/linear_1", SIZE, SIZE)
            add_linear(weights, random, f"{scope}/ffn/linear_0", 4 * SIZE, SIZE)
            add_linear(weights, random, f"{scope}/ffn/linear_1", SIZE, 4 * SIZE)
            add_norm(weights, random, f"{scope}/self_attention/layer_norm")
            add_norm(weights, random, f"{scope}/ffn/layer_norm")
            if half == "decoder":
                add_linear(weights, random, f"{scope}/attention/linear_0", SIZE, SIZE)
                add_linear(weights, random, f"{scope}/attention/linear_1", 2 * SIZE, SIZE)
                add_linear(weights, random, f"{scope}/attention/linear_2", SIZE, SIZE)
                add_norm(weights, random, f"{scope}/attention/layer_norm")
    for name, value in {"activation": 3, "pre_norm": 1, "scale_embeddings": 0, "alibi": 0}.items():
        weights[f"decoder/{name}"] = np.array(value, dtype=np.int8)
    weights["decoder/projection/weight"] = weights["decoder/embeddings/weight"]
    return weights


def file_of(folder: Path, weights: Weights, *, layout: int = 6) -> Path:
    """A file as CTranslate2's converters write it; a weight that stands twice is named the second time."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    written: dict[int, str] = {}
    first, again = [], []
    for name, values in weights.items():
        if id(values) in written:
            again.append(text(name) + text(written[id(values)]))
            continue
        written[id(values)] = name
        head = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        size = struct.pack("<BI", kinds[values.dtype.name], values.nbytes)
        first.append(text(name) + head + size + values.tobytes())
    file = folder / "model.bin"
    start = struct.pack("<I", layout) + text("WhisperSpec") + struct.pack("<II", 3, len(first))
    file.write_bytes(start + b"".join(first) + struct.pack("<I", len(again)) + b"".join(again))
    return file


# --- the same in NumPy


def norm(weights: Weights, name: str, rows: Floats) -> Floats:
    moved = rows - rows.mean(axis=-1, keepdims=True)
    scaled = moved / np.sqrt((moved**2).mean(axis=-1, keepdims=True) + 1e-5)
    found: Floats = scaled * weights[f"{name}/gamma"] + weights[f"{name}/beta"]
    return found


def linear(weights: Weights, name: str, rows: Floats) -> Floats:
    found: Floats = rows @ weights[f"{name}/weight"].T + weights[f"{name}/bias"]
    return found


def attention(
    query: Floats, key: Floats, value: Floats, *, ahead: bool, stands_for: NDArray[np.int64] | None = None
) -> Floats:
    """Every value counts as often as it `stands_for`."""
    heads = []
    for head in range(HEADS):
        part = slice(head * HEAD_SIZE, (head + 1) * HEAD_SIZE)
        scores = query[:, part] @ key[:, part].T / np.sqrt(HEAD_SIZE)
        if not ahead:
            scores = np.where(np.tri(*scores.shape) > 0, scores, -np.inf)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True)) * (1 if stands_for is None else stands_for)
        heads.append(powers / powers.sum(axis=-1, keepdims=True) @ value[:, part])
    found: Floats = np.concatenate(heads, axis=-1)
    return found


def gelu(rows: Floats) -> Floats:
    found: Floats = (rows * (1 + np.vectorize(erf)(rows / np.sqrt(2))) / 2).astype(np.float32)
    return found


def feed_forward(weights: Weights, scope: str, state: Floats) -> Floats:
    wide = gelu(linear(weights, f"{scope}/ffn/linear_0", norm(weights, f"{scope}/ffn/layer_norm", state)))
    return linear(weights, f"{scope}/ffn/linear_1", wide)


def own(
    weights: Weights, scope: str, state: Floats, *, ahead: bool, stands_for: NDArray[np.int64] | None = None
) -> Floats:
    mixed = linear(
        weights, f"{scope}/self_attention/linear_0", norm(weights, f"{scope}/self_attention/layer_norm", state)
    )
    heard = attention(*np.split(mixed, 3, axis=-1), ahead=ahead, stands_for=stands_for)
    return linear(weights, f"{scope}/self_attention/linear_1", heard)


def convolution(weights: Weights, name: str, given: Floats, step: int) -> Floats:
    wide = np.pad(given, ((0, 0), (1, 1)))
    at = range(0, given.shape[1], step)
    columns = [np.tensordot(weights[f"{name}/weight"], wide[:, begin : begin + 3]) for begin in at]
    found: Floats = np.stack(columns, axis=1) + weights[f"{name}/bias"][:, np.newaxis]
    return found


def encoded(
    weights: Weights,
    features: Floats,
    stands_for: NDArray[np.int64] | None = None,
    places: NDArray[np.int64] | None = None,
) -> Floats:
    """Of frames that are computed in their `places`, and count as often as they `stands_for`."""
    wide = gelu(convolution(weights, "encoder/conv1", features, 1))
    state = gelu(convolution(weights, "encoder/conv2", wide, 2)).T
    state = state + weights["encoder/position_encodings/encodings"][range(len(state)) if places is None else places]
    for layer in range(LAYERS):
        state = state + own(weights, f"encoder/layer_{layer}", state, ahead=True, stands_for=stands_for)
        state = state + feed_forward(weights, f"encoder/layer_{layer}", state)
    return norm(weights, "encoder/layer_norm", state).astype(np.float32)


def scored(weights: Weights, frames: Floats, tokens: list[int], stands_for: NDArray[np.int64] | None = None) -> Floats:
    """Scores of what follows every one of `tokens`."""
    state = weights["decoder/embeddings/weight"][tokens]
    state = state + weights["decoder/position_encodings/encodings"][: len(tokens)]
    for layer in range(LAYERS):
        scope = f"decoder/layer_{layer}"
        state = state + own(weights, scope, state, ahead=False)
        query = linear(weights, f"{scope}/attention/linear_0", norm(weights, f"{scope}/attention/layer_norm", state))
        key, value = np.split(linear(weights, f"{scope}/attention/linear_1", frames), 2, axis=-1)
        heard = attention(query, key, value, ahead=True, stands_for=stands_for)
        state = state + linear(weights, f"{scope}/attention/linear_2", heard)
        state = state + feed_forward(weights, scope, state)
    found: Floats = norm(weights, "decoder/layer_norm", state) @ weights["decoder/embeddings/weight"].T
    return found


# --- what is asked of it


def heard(frames: Floats, stands_for: NDArray[np.int64] | None = None) -> HeardSound:
    """`frames` as the decoder is given them."""
    emphasis = np.zeros(len(frames)) if stands_for is None else np.log(stands_for)
    return HeardSound(frames=frames[np.newaxis], emphasis=emphasis.astype(np.float32))


def special(never: tuple[int, ...] = (), not_first: tuple[int, ...] = (), end: int = END) -> SpecialTokens:
    return SpecialTokens(
        prompt=PROMPT,
        end=end,
        no_speech=7,
        never=np.array(never, dtype=int),
        not_first=np.array(not_first, dtype=int),
        goes_on=np.array(MARKS),
    )


class CountedSession:
    """An opened network; counts its calls, and cancels a token inside the first one when it is given one."""

    def __init__(self, session: onnxruntime.InferenceSession, cancel: CancelToken | None = None) -> None:
        self.calls = 0
        self.tokens_max = 0
        """Most tokens that one call was given."""
        self.failures: list[str] = []
        self._session, self._cancel = session, cancel

    def run_with_ort_values(self, outputs: list[str] | None, feeds: dict[str, Any]) -> Any:
        self.calls += 1
        self.tokens_max = max(self.tokens_max, feeds["tokens"].shape()[1])
        return self._session.run_with_ort_values(outputs, feeds)

    def run(self, outputs: list[str] | None, inputs: dict[str, Any], options: onnxruntime.RunOptions) -> Any:
        self.calls += 1
        if self._cancel is not None:
            self._cancel.cancel()
        try:
            return self._session.run(outputs, inputs, options)
        except Exception as error:
            self.failures.append(str(error))
            raise
