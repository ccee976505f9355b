"""How the nodes of an ONNX network hang together, and models of some of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voice_inference.engines import onnx_messages
from voice_inference.engines.onnx_messages import Model, Tensor, Value, add_value, new_model, read_model, unnamed_fields

GRAPH_UNUSED: Final = frozenset({10, 14, 16})
"""Fields in which something is written about a graph and its values: documentation, quantisation, metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation of a network, with the names of the tensors it is given and makes."""

    kind: str
    given: tuple[str, ...]
    made: tuple[str, ...]
    whole: onnx_messages.Node

    def integers(self, name: str) -> tuple[int, ...]:
        """The list of integers that is the attribute `name`; empty when there is none."""
        return tuple(value for attribute in self.whole.attribute if attribute.name == name for value in attribute.ints)

    def text(self, name: str) -> str:
        """The text that is the attribute `name`; empty when there is none. Raises ValueError when it is no text."""
        return next((attribute.s.decode() for attribute in self.whole.attribute if attribute.name == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network taken apart."""

    around: Model
    """What is left of the model: versions, operator sets, names."""
    nodes: tuple[Node, ...]
    """In an order in which they can be executed."""
    weights: Mapping[str, Tensor]
    inputs: Mapping[str, Value]
    """What is given to the network."""
    outputs: tuple[str, ...]


def read_network(content: bytes) -> Network:
    """The network in a file's content. Raises ValueError when there is none, or one with parts this module knows
    nothing of.
    """
    model = read_model(content)
    graph = model.graph
    if unknown := unnamed_fields(graph) - GRAPH_UNUSED:
        raise ValueError(f"its graph has a field number {min(unknown)}")
    nodes = tuple(
        Node(kind=node.op_type, given=tuple(node.input), made=tuple(node.output), whole=node) for node in graph.node
    )
    weights = {tensor.name: tensor for tensor in graph.initializer}
    # Old files list the weights among the inputs too.
    inputs = {value.name: value for value in graph.input if value.name not in weights}
    outputs = tuple(value.name for value in graph.output)
    if not nodes or not outputs:
        raise ValueError("it is no ONNX network")
    for parts in (graph.node, graph.initializer, graph.input, graph.output, graph.value_info):
        del parts[:]
    graph.DiscardUnknownFields()
    return Network(around=model, nodes=nodes, weights=weights, inputs=inputs, outputs=outputs)


def write_network(
    network: Network, nodes: Iterable[Node], *, floats_given: Sequence[str], outputs: Sequence[str]
) -> bytes:
    """The model of some of the network's nodes, in their order, with the weights and inputs they use. `floats_given`
    are tensors they do not make, float32, as further inputs; `outputs` are what comes out, in this order.
    """
    model = new_model()
    model.CopyFrom(network.around)
    graph, used = model.graph, set[str]()
    for node in nodes:
        graph.node.extend((node.whole,))
        used.update(node.given)
    graph.input.extend(given for name, given in network.inputs.items() if name in used)
    for name in floats_given:
        add_value(graph.input, name, "float32")
    for name in outputs:
        # Its type follows from the node that makes it.
        graph.output.add(name=name)
    # A message followed by another of its type reads as both merged. All weights in one would be held four times here.
    weights = (_weight_alone(weight) for name, weight in network.weights.items() if name in used)
    return b"".join((model.SerializeToString(), *weights))


def _weight_alone(weight: Tensor) -> bytes:
    model = new_model()
    model.graph.initializer.extend((weight,))
    return model.SerializeToString()
