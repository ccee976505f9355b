"""The layers Whisper's encoder and decoder are made of, as nodes for ONNX Runtime, with weights of eight bits."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voice_inference.engines.stt.network_writer import NetworkWriter

CONTRIBUTED: Final = "com.microsoft"
"""The domain of the operations that ONNX Runtime adds to ONNX."""

EPSILON: Final = 1e-5
BLOCKS: Final = (128, 64, 32)
"""How many weights may share a scale; the first that divides a row is taken."""

WEIGHT_BITS: Final = 8
ZERO: Final = 128
"""What stands for 0 in eight bits without a sign."""

WIDEST: Final = 127.0
ROWS_AT_ONCE: Final = 512
"""Of a matrix that is written with fewer bits: more would only need more memory."""

WHOLE_NUMBERS: Final = 4
"""ONNX Runtime's accuracy level: what is given is written with eight bits too."""

Weights = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float32]


class NetworkLayers:
    """Adds layers of one half of the model, `encoder` or `decoder`, to `writer`. Names are those in `weights`."""

    def __init__(self, weights: Weights, half: str) -> None:
        """Raises KeyError when a weight is missing."""
        self.writer = NetworkWriter()
        self.heads = int(weights[f"{half}/num_heads"])
        self.size = int(weights[f"{half}/layer_norm/gamma"].shape[0])
        self.layers = sum(f"{half}/layer_{layer}/ffn/linear_0/weight" in weights for layer in range(len(weights)))
        self._weights, self._half = weights, half

    def floats(self, name: str) -> str:
        """A weight as it is."""
        return self.writer.weight(rows_of(self._weights, f"{self._half}/{name}", slice(None)))

    def normalised(self, rows: str, name: str) -> str:
        """`rows`, normalised."""
        given = [rows, self.floats(f"{name}/gamma"), self.floats(f"{name}/beta")]
        return self.writer.node("LayerNormalization", given, axis=-1, epsilon=EPSILON)

    def added(self, state: str, new: str, norm: str) -> tuple[str, str]:
        """`state` with `new` added, and the same normalised: seven times as fast as both in one operation."""
        sum_ = self.writer.node("Add", [state, new])
        return sum_, self.normalised(sum_, norm)

    def norm_after(self, layer: int) -> str:
        """Name of the normalisation behind a layer: the next one's first, or the last of all."""
        return f"layer_{layer + 1}/self_attention/layer_norm" if layer + 1 < self.layers else "layer_norm"

    def attention(self, query: str, key: str, value: str, emphasis: str) -> str:
        """Every head's sum of `value`; `emphasis`, (1, 1, queries, values), is added to what it is weighed by."""
        given = [query, key, value, "", "", emphasis]
        return self.writer.node("MultiHeadAttention", given, domain=CONTRIBUTED, num_heads=self.heads)

    def product(self, rows: str, name: str, *, made: str = "") -> str:
        """`rows` times a weight, plus its bias if it has one. The weights, and what is given, have a scale for every
        block of a row: fast for one row, and exact where single numbers are very large.
        """
        matrix, bias = f"{self._half}/{name}/weight", f"{name}/bias"
        block, whole, scales = _blocks(self._weights, matrix)
        given = [rows, self.writer.weight(whole), self.writer.weight(scales)]
        if f"{self._half}/{bias}" in self._weights:
            given += ["", "", self.floats(bias)]
        results, row = self._weights[matrix].shape
        (result,) = self.writer.nodes(
            "MatMulNBits",
            given,
            results=[made] if made else 1,
            domain=CONTRIBUTED,
            K=row,
            N=results,
            bits=WEIGHT_BITS,
            block_size=block,
            accuracy_level=WHOLE_NUMBERS,
        )
        return result

    def product_of_many(self, rows: str, name: str) -> str:
        """As `product`, with one scale for each result and one for all that is given: twice as fast for many rows."""
        whole, scales = _columns(rows_of(self._weights, f"{self._half}/{name}/weight", slice(None)))
        given = [rows, self.writer.weight(whole), self.writer.weight(scales), "", self.floats(f"{name}/bias")]
        return self.writer.node("DynamicQuantizeMatMul", given, domain=CONTRIBUTED)


def rows_of(weights: Weights, name: str, rows: NDArray[np.int64] | slice) -> Floats:
    """Rows of a weight, as they were before they were written with fewer bits."""
    values: Floats = weights[name][rows].astype(np.float32)
    if weights[name].dtype == np.int8:
        values /= weights[f"{name}_scale"][rows, np.newaxis]
    return values


def _blocks(weights: Weights, name: str) -> tuple[int, NDArray[np.uint8], Floats]:
    """A matrix of (made, given) in blocks of eight-bit weights with one scale each: the size of a block, the weights,
    (made, blocks, size), and the scales.
    """
    made, given = weights[name].shape
    block = next((size for size in BLOCKS if given % size == 0), 0)
    if not block:
        raise ValueError(f"rows of {given} weights cannot be cut into blocks")
    whole = np.empty((made, given // block, block), dtype=np.uint8)
    scales = np.empty((made, given // block, 1), dtype=np.float32)
    for begin in range(0, made, ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        cut = rows_of(weights, name, part).reshape(-1, given // block, block)
        scales[part] = _scales(cut, axis=2)
        cut /= scales[part]
        np.rint(cut, out=cut)
        cut += ZERO
        whole[part] = cut
    return block, whole, scales.reshape(-1)


def _columns(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """A matrix of (made, given) as eight-bit weights, (given, made), with one scale for all that makes one result."""
    scales = _scales(matrix, axis=1)
    whole: Floats = np.rint(matrix / scales)
    return whole.astype(np.int8).T, scales.reshape(-1)


def _scales(matrix: Floats, axis: int) -> Floats:
    widest: Floats = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(WIDEST)
    widest[widest == 0] = 1.0
    return widest
