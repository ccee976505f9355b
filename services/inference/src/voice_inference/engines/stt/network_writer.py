"""Writes an ONNX network node by node; names follow from the order.

Large weights are not written into it. They are named, and handed to ONNX Runtime as they are when it opens the network,
so that they are not copied twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voice_inference.engines.onnx_messages import Dimension, add_node, add_tensor, add_value, new_model
from voice_inference.engines.onnx_session import open_session

OPERATORS: Final = {"": 20, "com.microsoft": 1}
"""Operator sets by domain: ONNX's own, and what ONNX Runtime adds."""

IR_VERSION: Final = 9
LARGE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenNetwork:
    """A network, and the weights it names but does not hold."""

    model: bytes
    weights: Mapping[str, NDArray[Any]]

    def open(self, threads: int) -> onnxruntime.InferenceSession:
        """A session on `threads` threads."""
        return open_session(self.model, threads, any_length=True, weights=self.weights)


class NetworkWriter:
    """Nodes are added in an order in which they can be executed; `network` ends it."""

    def __init__(self) -> None:
        self._model = new_model()
        self._large: dict[str, NDArray[Any]] = {}
        self._names = 0

    def weight(self, values: NDArray[Any]) -> str:
        """A weight of one of ELEMENT_TYPES; its name."""
        name = self._new_name()
        large = values.nbytes >= LARGE_BYTES
        add_tensor(self._model.graph, name, values, in_file=not large)
        if large:
            self._large[name] = np.ascontiguousarray(values)
        return name

    def node(self, kind: str, given: Sequence[str], *, domain: str = "", **attributes: float | Sequence[int]) -> str:
        """An operation with one result; its name. An empty name among `given` stands for one that is left out."""
        (made,) = self.nodes(kind, given, results=1, domain=domain, **attributes)
        return made

    def nodes(
        self,
        kind: str,
        given: Sequence[str],
        *,
        results: int | Sequence[str],
        domain: str = "",
        **attributes: float | Sequence[int],
    ) -> list[str]:
        """An operation with that many results, or with results of these names; their names."""
        made = [self._new_name() for _ in range(results)] if isinstance(results, int) else list(results)
        add_node(self._model.graph, kind, given, made, domain=domain, **attributes)
        return made

    def network(self, given: Mapping[str, tuple[str, Sequence[Dimension]]], made: Sequence[str]) -> WrittenNetwork:
        """The network that makes `made` of `given`, the latter with element type and shape."""
        model, graph = self._model, self._model.graph
        model.ir_version, graph.name = IR_VERSION, "network"
        for domain, version in OPERATORS.items():
            model.opset_import.add(domain=domain, version=version)
        for name, (element, shape) in given.items():
            add_value(graph.input, name, element, shape)
        for name in made:
            graph.output.add(name=name)
        return WrittenNetwork(model=model.SerializeToString(), weights=self._large)

    def _new_name(self) -> str:
        self._names += 1
        return f"n{self._names}"
