"""As much of the ONNX file format as reading, changing and writing networks takes, without the onnx package.

Files are messages of protobuf. What is not named here stays as it is when a model is read and written again.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from functools import cache
from typing import Any, Final, Protocol, TypeVar

from google.protobuf.descriptor_pb2 import EDITION_2023, DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

STRING: Final = FieldDescriptorProto.TYPE_STRING
BYTES: Final = FieldDescriptorProto.TYPE_BYTES
FLOAT: Final = FieldDescriptorProto.TYPE_FLOAT
INT_64: Final = FieldDescriptorProto.TYPE_INT64
INT_32: Final = FieldDescriptorProto.TYPE_INT32
ONE: Final = FieldDescriptorProto.LABEL_OPTIONAL
MANY: Final = FieldDescriptorProto.LABEL_REPEATED

Field = tuple[int, FieldDescriptorProto.Label.ValueType, FieldDescriptorProto.Type.ValueType | str]
"""Number, how many, and type; a name is that of a message."""

MESSAGES: Final[Mapping[str, Mapping[str, Field]]] = {
    "Model": {"ir_version": (1, ONE, INT_64), "graph": (7, ONE, "Graph"), "opset_import": (8, MANY, "OperatorSet")},
    "OperatorSet": {"domain": (1, ONE, STRING), "version": (2, ONE, INT_64)},
    "Graph": {
        "node": (1, MANY, "Node"),
        "name": (2, ONE, STRING),
        "initializer": (5, MANY, "Tensor"),
        "input": (11, MANY, "Value"),
        "output": (12, MANY, "Value"),
        "value_info": (13, MANY, "Value"),
    },
    "Node": {
        "input": (1, MANY, STRING),
        "output": (2, MANY, STRING),
        "op_type": (4, ONE, STRING),
        "attribute": (5, MANY, "Attribute"),
        "domain": (7, ONE, STRING),
    },
    "Attribute": {
        "name": (1, ONE, STRING),
        "f": (2, ONE, FLOAT),
        "i": (3, ONE, INT_64),
        "s": (4, ONE, BYTES),
        "ints": (8, MANY, INT_64),
        "type": (20, ONE, INT_32),
    },
    "Tensor": {
        "dims": (1, MANY, INT_64),
        "data_type": (2, ONE, INT_32),
        "name": (8, ONE, STRING),
        "raw_data": (9, ONE, BYTES),
        "external_data": (13, MANY, "Entry"),
        "data_location": (14, ONE, INT_32),
    },
    "Entry": {"key": (1, ONE, STRING), "value": (2, ONE, STRING)},
    "Value": {"name": (1, ONE, STRING), "type": (2, ONE, "Type")},
    "Type": {"tensor_type": (1, ONE, "TensorType")},
    "TensorType": {"elem_type": (1, ONE, INT_32), "shape": (2, ONE, "Shape")},
    "Shape": {"dim": (1, MANY, "Axis")},
    "Axis": {"value": (1, ONE, INT_64), "name": (2, ONE, STRING)},
}

ELEMENT_TYPES: Final = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}
"""Types of a tensor's elements, by NumPy's names."""
FLOAT_32: Final = ELEMENT_TYPES["float32"]
ATTRIBUTE_FLOAT, ATTRIBUTE_INTEGER, ATTRIBUTE_TEXT, ATTRIBUTE_INTEGERS = 1, 2, 3, 7
ELSEWHERE: Final = 1
"""Location of a tensor whose elements are not in the file."""

Dimension = int | str
"""Length of an axis, or the name of a length that differs from run to run."""

M = TypeVar("M")


class Messages(Protocol[M]):
    """A repeated field of messages."""

    def __iter__(self) -> Iterator[M]: ...

    def __getitem__(self, place: int) -> M: ...

    def __delitem__(self, place: slice) -> None: ...

    def extend(self, messages: Iterable[M]) -> None:
        """Appends copies."""

    def add(self, **fields: object) -> M:
        """Appends a new one and gives it."""


class Attribute(Protocol):
    """A setting of a node."""

    name: str
    i: int
    s: bytes
    ints: MutableSequence[int]


class Node(Protocol):
    """A step: what goes in and what comes out, by name."""

    op_type: str
    input: MutableSequence[str]
    output: MutableSequence[str]
    attribute: Messages[Attribute]


class Tensor(Protocol):
    """A constant of the network."""

    name: str
    dims: MutableSequence[int]
    data_type: int
    raw_data: bytes


class Axis(Protocol):
    """An axis: of a size, or of a size with a name, or of any."""

    def Clear(self) -> None:
        """Makes it of any size."""


class Shape(Protocol):
    """All axes."""

    dim: Messages[Axis]


class TensorType(Protocol):
    """What kind of tensor a value is."""

    shape: Shape


class Type(Protocol):
    """What kind of thing a value is."""

    tensor_type: TensorType


class Value(Protocol):
    """What goes into the network or comes out of it."""

    name: str
    type: Type


class OperatorSet(Protocol):
    """A version of the operations of a domain."""


class Graph(Protocol):
    """The nodes, in an order in which they can be executed."""

    name: str
    node: Messages[Node]
    initializer: Messages[Tensor]
    input: Messages[Value]
    output: Messages[Value]
    value_info: Messages[Value]

    def DiscardUnknownFields(self) -> None:
        """Removes what is not named here."""


class Model(Protocol):
    """A file."""

    ir_version: int
    graph: Graph
    opset_import: Messages[OperatorSet]

    def CopyFrom(self, other: "Model") -> None:
        """Becomes a copy of another."""

    def SerializeToString(self) -> bytes:
        """The content of the file."""


def read_model(content: bytes) -> Model:
    """The model in a file's content; raises ValueError when it is none."""
    model = _model_class()()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError("it is no ONNX model") from error
    read: Model = model
    return read


def new_model() -> Model:
    """A model with nothing in it."""
    model: Model = _model_class()()
    return model


def unnamed_fields(graph: Graph) -> frozenset[int]:
    """Numbers of the fields of a graph that are not named here."""
    message: Any = graph
    fields = UnknownFieldSet(message)
    return frozenset(fields[place].field_number for place in range(len(fields)))


def add_node(
    graph: Graph,
    kind: str,
    given: Sequence[str],
    made: Sequence[str],
    *,
    domain: str = "",
    **attributes: float | str | Sequence[int],
) -> Node:
    """A further node. An empty name among `given` stands for one that is left out."""
    node = graph.node.add(op_type=kind, input=given, output=made, domain=domain)
    for name, value in attributes.items():
        match value:
            case int():
                node.attribute.add(name=name, i=value, type=ATTRIBUTE_INTEGER)
            case float():
                node.attribute.add(name=name, f=value, type=ATTRIBUTE_FLOAT)
            case str():
                node.attribute.add(name=name, s=value.encode(), type=ATTRIBUTE_TEXT)
            case _:
                node.attribute.add(name=name, ints=value, type=ATTRIBUTE_INTEGERS)
    return node


def add_tensor(graph: Graph, name: str, values: NDArray[Any], *, in_file: bool = True) -> None:
    """A further constant, of one of ELEMENT_TYPES. Where it is not `in_file`, ONNX Runtime is given its elements when
    it opens the network.
    """
    fields: dict[str, object] = {"name": name, "dims": values.shape, "data_type": ELEMENT_TYPES[values.dtype.name]}
    if in_file:
        # In rows, whatever the order in memory.
        fields["raw_data"] = values.tobytes()
    else:
        fields |= {"data_location": ELSEWHERE, "external_data": [{"key": "location", "value": "memory"}]}
    graph.initializer.add(**fields)


def add_value(values: Messages[Value], name: str, element: str, shape: Sequence[Dimension] | None = None) -> None:
    """A further input or output with elements of one of ELEMENT_TYPES; without `shape`, of any."""
    kind: dict[str, object] = {"elem_type": ELEMENT_TYPES[element]}
    if shape is not None:
        kind["shape"] = {"dim": [{"value" if isinstance(size, int) else "name": size} for size in shape]}
    values.add(name=name, type={"tensor_type": kind})


@cache
def _model_class() -> type[Any]:
    package = "voice_inference.onnx"
    # As the format's own description has it: a number that is 0 is written too. And names are looked at when read.
    file = FileDescriptorProto(
        name="voice_inference_onnx.proto", package=package, syntax="editions", edition=EDITION_2023
    )
    for name, fields in MESSAGES.items():
        message = DescriptorProto(name=name)
        for field_name, (number, label, kind) in fields.items():
            field = message.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = kind
        file.message_type.append(message)
    # A pool of its own: another library in the process may know the same format by the same names.
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{package}.Model"))
