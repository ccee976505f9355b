"""Has Smart Turn's network compute chosen frames of its window, without changing its file.

The file's network computes 400 frames of 8 s whatever was said. Four things in it hold on to that number: the length of
what it is given, a constant from which shapes are made, the table of positions, and that all frames count alike where
they are attended to. The first two are set free, positions become an input, and so does the emphasis on each frame,
which is added before every softmax. Weights and arithmetic stay those of the file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from voice_inference.engines.onnx_messages import Graph, Node, add_node, add_tensor, add_value, read_model

T = TypeVar("T")

FRAMES: Final = 400
LAYERS: Final = 4
ANY_LENGTH: Final = -1
OVER_KEYS, OVER_TIME = -1, 1
"""Axes of a softmax: of a layer's attention, (1, heads, frames, frames), and of the pooling, (1, frames, 1)."""


def with_chosen_frames(model_file: Path) -> tuple[bytes, NDArray[np.float32]]:
    """The network of `model_file`, smart-turn-v3.2-cpu.onnx, for frames that are chosen, and the positions of all 400,
    (400, size). Raises ValueError when the network is not built as that one is.

    In: `input_features` (1, 80, 2 frames), `positions` (frames, size) and `emphasis` (frames,). Out: the probability.
    """
    model = read_model(model_file.read_bytes())
    graph = model.graph
    table = _only([tensor for tensor in graph.initializer if len(tensor.dims) == 2 and tensor.dims[0] == FRAMES])
    positions: NDArray[np.float32] = np.frombuffer(table.raw_data, dtype=np.float32).reshape(tuple(table.dims))
    constants = [tensor for tensor in graph.initializer if tensor.raw_data == _whole_number(FRAMES)]
    _only(constants).raw_data = _whole_number(ANY_LENGTH)
    _only(list(graph.input)).type.tensor_type.shape.dim[2].Clear()
    add_value(graph.input, "positions", "float32", ("frames", positions.shape[1]))
    add_value(graph.input, "emphasis", "float32", ("frames",))
    nodes, kept = list(graph.node), [tensor for tensor in graph.initializer if tensor.name != table.name]
    del graph.node[:]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    _add_steps(graph, nodes, table.name)
    # Shapes of what lies between, which are worked out anew.
    del graph.value_info[:]
    return model.SerializeToString(), positions


def _only(found: Sequence[T]) -> T:
    if len(found) != 1:
        raise ValueError(f"{len(found)} parts of a kind of which one was expected")
    return found[0]


def _whole_number(number: int) -> bytes:
    return np.array([number], dtype=np.int64).tobytes()


def _add_steps(graph: Graph, nodes: Sequence[Node], table: str) -> None:
    """The steps of the file, with `positions` in place of the table and the emphasis before every softmax."""
    add_tensor(graph, "emphasis_axes", np.array([1], dtype=np.int64))
    add_node(graph, "Unsqueeze", ["emphasis", "emphasis_axes"], ["emphasis_over_time"])
    axes = []
    for node in nodes:
        if table in node.input:
            node.input[list(node.input).index(table)] = "positions"
        if node.op_type == "Softmax":
            axes.append(_only([attribute.i for attribute in node.attribute if attribute.name == "axis"]))
            name = "emphasis_over_time" if axes[-1] == OVER_TIME else "emphasis"
            weighed, node.input[0] = node.input[0], f"{node.input[0]}_emphasised"
            add_node(graph, "Add", [weighed, name], [node.input[0]])
        graph.node.extend([node])
    if sorted(axes) != [*LAYERS * [OVER_KEYS], OVER_TIME]:
        raise ValueError(f"softmax over {axes} was not expected")
