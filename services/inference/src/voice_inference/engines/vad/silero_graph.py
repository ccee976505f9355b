"""Lays a batch of sessions along the width of Silero's convolutions, without changing its file.

The network convolves some four positions in time for each of the batch. ONNX Runtime makes a matrix product of its own
of every one of the batch, and such a product costs as much as one with sixteen columns: most of a batch's time goes
there. A convolution over (n, channels, time) is the same as one over (1, channels, time, n) with a kernel of width
one, which is a single product of 4 n columns. So the first step turns the sound, the convolutions between get a fourth
axis, and the last step turns what goes into the recurrent cell, whose sequence becomes a batch. Weights and arithmetic
stay those of the file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from voice_inference.engines.onnx_messages import Graph, Node, Tensor, add_node, add_tensor, read_model

BETWEEN: Final = frozenset({"Constant", "Slice", "Pow", "Add", "Sqrt", "Conv", "Relu"})
"""Steps that do the same with a fourth axis; of others that is not known."""
STATES: Final = frozenset({"h", "c", "hn", "cn"})


def with_batch_along_width(model_file: Path) -> bytes:
    """The network of `model_file`, silero_vad_16k_sequence.onnx, for windows of different sessions.

    In: `input` (n, 576), `h` and `c` (1, n, 128). Out: `speech_probs` (n,), `hn` and `cn` (1, n, 128). Raises
    ValueError when the network is not built as that one is.
    """
    model = read_model(model_file.read_bytes())
    graph = model.graph
    first, last = _ends(graph)
    nodes = list(graph.node)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in nodes[first + 1 : last]:
        if node.op_type not in BETWEEN:
            raise ValueError(f"{node.op_type} was not expected between the sound and the recurrent cell")
        if node.op_type == "Conv":
            _widen(node, tensors)
    del graph.node[:]
    graph.node.extend(nodes[:first])
    _add_turned(graph, nodes[first], turn=[1, 0], kind="Unsqueeze", axes=[0, 1])
    graph.node.extend(nodes[first + 1 : last])
    _add_turned(graph, nodes[last], turn=[2, 0, 3, 1], kind="Squeeze", axes=[0])
    graph.node.extend(nodes[last + 1 :])
    for value in (*graph.input, *graph.output):
        if value.name in STATES:
            value.type.tensor_type.shape.dim[1].Clear()
    # Shapes of what lies between, which are worked out anew.
    del graph.value_info[:]
    return model.SerializeToString()


def _ends(graph: Graph) -> tuple[int, int]:
    """Places of the step that gives the sound its channel and of the one before the recurrent cell."""
    cells = [node for node in graph.node if node.op_type == "LSTM"]
    pads = [node for node in graph.node if node.op_type == "Pad"]
    if len(cells) != 1 or len(pads) != 1:
        raise ValueError("one padding and one recurrent cell were expected")
    nodes = list(enumerate(graph.node))
    firsts = [(place, node.op_type) for place, node in nodes if pads[0].output[0] in node.input]
    lasts = [(place, node.op_type) for place, node in nodes if cells[0].input[0] in node.output]
    if [kind for _, kind in (*firsts, *lasts)] != ["Unsqueeze", "Transpose"]:
        raise ValueError("the sound was expected to get a channel, and what is made of it to be turned")
    return firsts[0][0], lasts[0][0]


def _widen(conv: Node, tensors: Mapping[str, Tensor]) -> None:
    """Gives a convolution over time a second axis with a kernel of width one."""
    weight = tensors.get(conv.input[1])
    if weight is None or len(weight.dims) != 3:
        raise ValueError("convolutions over time with constant weights were expected")
    weight.dims.append(1)
    for attribute in conv.attribute:
        if attribute.name == "pads":
            before, after = attribute.ints
            attribute.ints[:] = [before, 0, after, 0]
        elif attribute.name in {"kernel_shape", "strides", "dilations"}:
            attribute.ints.append(1)


def _add_turned(graph: Graph, replaced: Node, *, turn: Sequence[int], kind: str, axes: Sequence[int]) -> None:
    """In place of a step: a transposition, and a step of `kind` that adds or takes away axes behind it."""
    result = replaced.output[0]
    turned, constant = f"{result}_turned", f"{result}_axes"
    add_node(graph, "Transpose", [replaced.input[0]], [turned], perm=turn)
    add_tensor(graph, constant, np.array(axes, dtype=np.int64))
    add_node(graph, kind, [turned, constant], [result])
