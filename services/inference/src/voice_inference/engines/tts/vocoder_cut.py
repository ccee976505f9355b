"""Finds the vocoder of a voice, and how far its sound reaches into what it is given. Pure.

A VITS voice ends in a HiFi-GAN vocoder: convolutions, upsampling by transposed convolutions and operations on single
values. Such a network is local. A sample depends on a few frames around it, and how many follows from the kernels, so
its sound can be made in windows that are equal to what one call makes. Names of nodes differ between exports and are
not looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voice_inference.engines.onnx_messages import FLOAT_32
from voice_inference.engines.tts.network_parts import Network, Node

SPEAKER_INPUT: Final = "sid"
"""The one input of a voice that does not say what is spoken."""

CONVOLUTION, TRANSPOSED, CONSTANT = "Conv", "ConvTranspose", "Constant"
POINTWISE: Final = frozenset({"Add", "Cast", "Div", "Identity", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Sub", "Tanh"})
"""Operations whose results at one place depend on that place only."""
RESHAPING: Final = frozenset({"Squeeze", "Unsqueeze"})
BRANCHING: Final = frozenset({"If", "Loop", "Scan"})
"""Operations that hold networks of their own, whose nodes are not looked at."""


class UnknownShapeError(ValueError):
    """The network is not put together like a voice that can be cut; the text says what is unlike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocoder:
    """What has to be known to run a vocoder in windows."""

    latent: str
    """The tensor it is given frame by frame: float32 (1, channels, frames)."""
    sides: tuple[str, ...]
    """Tensors it is given whole, which follow from the speaker alone."""
    hop_samples: int
    """Samples of sound of a frame."""
    before_frames: int
    behind_frames: int
    """How many neighbours of a frame its sound depends on."""


def find_vocoder(network: Network) -> tuple[Vocoder, tuple[Node, ...]]:
    """The vocoder of `network`, and its nodes in order. Raises UnknownShapeError when it has none that is known."""
    if any(node.kind in BRANCHING for node in network.nodes):
        raise UnknownShapeError("a part of it is written inside a node")
    maker = {name: node for node in network.nodes for name in node.made}
    spoken = _follow_from(network.nodes, set(network.inputs) - {SPEAKER_INPUT})
    head = _head(network, maker, spoken)
    latent = head.given[0]
    behind = _follow_from(network.nodes, {latent})
    sound = network.outputs[0]
    if sound not in behind:
        raise UnknownShapeError("its sound does not follow from the vocoder")
    wanted = _needed_for(network.nodes, {sound}, behind)
    local = [node for node in wanted if not behind.isdisjoint(node.given)]
    sides: list[str] = []
    constants: set[str] = set()
    for name in dict.fromkeys(name for node in local for name in node.given):
        made_by = maker.get(name)
        if name in behind or name in network.weights or not name:
            continue
        if made_by is not None and made_by.kind == CONSTANT:
            constants.add(name)
        elif name in spoken:
            raise UnknownShapeError(f"its vocoder is given {name} beside its frames")
        else:
            sides.append(name)
    hop_samples = _rates(local, latent)[sound]
    first, last = _reach(local, latent, sound, hop_samples)
    chosen = set(map(id, local)) | {id(maker[name]) for name in constants}
    vocoder = Vocoder(
        latent=latent, sides=tuple(sides), hop_samples=hop_samples, before_frames=-first, behind_frames=last
    )
    return vocoder, tuple(node for node in network.nodes if id(node) in chosen)


def nodes_before(network: Network, outputs: Sequence[str]) -> tuple[Node, ...]:
    """The nodes that `outputs` follow from, in order."""
    return tuple(_needed_for(network.nodes, set(outputs), None))


def _head(network: Network, maker: Mapping[str, Node], spoken: set[str]) -> Node:
    """The convolution the vocoder begins with: the one before the first upsampling."""
    upsampling = next((node for node in network.nodes if node.kind == TRANSPOSED), None)
    if upsampling is None:
        raise UnknownShapeError("nothing in it raises the rate as a vocoder does")
    heads: dict[int, Node] = {}
    waiting = [upsampling.given[0]]
    while waiting:
        node = maker.get(waiting.pop())
        if node is None:
            continue
        if node.kind == CONVOLUTION:
            # A voice of many speakers has a second one here, for the speaker.
            if node.given[0] in spoken:
                heads[id(node)] = node
        elif node.kind in POINTWISE:
            waiting += node.given
    if len(heads) != 1:
        raise UnknownShapeError(f"{len(heads)} convolutions before the first upsampling instead of one")
    (head,) = heads.values()
    if head.given[1] not in network.weights or network.weights[head.given[1]].data_type != FLOAT_32:
        raise UnknownShapeError("its vocoder does not compute with float32")
    return head


def _follow_from(nodes: Sequence[Node], sources: set[str]) -> set[str]:
    """The sources and all that follows from them."""
    found = set(sources)
    for node in nodes:
        if not found.isdisjoint(node.given):
            found.update(node.made)
    return found


def _needed_for(nodes: Sequence[Node], wanted: set[str], among: set[str] | None) -> list[Node]:
    """The nodes that `wanted` follows from, in order; of those that make a tensor of `among`, where it is given."""
    missing, chosen = set(wanted), []
    for node in reversed(nodes):
        if missing.isdisjoint(node.made) or (among is not None and among.isdisjoint(node.made)):
            continue
        chosen.append(node)
        missing.update(node.given)
    return chosen[::-1]


def _local_given(node: Node, rates: Mapping[str, int]) -> Iterator[str]:
    """The tensors of the vocoder that `node` is given; raises UnknownShapeError when it is not local."""
    given = [name for name in node.given if name in rates]
    if node.kind in (CONVOLUTION, TRANSPOSED, *RESHAPING):
        if given != [node.given[0]]:
            raise UnknownShapeError(f"a {node.kind} of its vocoder takes more than one tensor that is computed")
    elif node.kind not in POINTWISE:
        raise UnknownShapeError(f"its vocoder has a {node.kind}")
    return iter(given)


def _rates(local: Sequence[Node], latent: str) -> dict[str, int]:
    """For each tensor of the vocoder its values a frame."""
    rates = {latent: 1}
    for node in local:
        found = {rates[name] for name in _local_given(node, rates)}
        if len(found) != 1:
            raise UnknownShapeError("its vocoder joins tensors of different rates")
        (rate,) = found
        if node.kind in (CONVOLUTION, TRANSPOSED):
            rate *= _Kernel.of(node).rate
        rates.update(dict.fromkeys(node.made, rate))
    return rates


def _reach(local: Sequence[Node], latent: str, sound: str, hop_samples: int) -> tuple[int, int]:
    """First and last frame, relative to frame 0, that the samples of frame 0 depend on."""
    spans = {sound: (0, hop_samples - 1)}
    rates = _rates(local, latent)
    for node in reversed(local):
        asked = [spans[name] for name in node.made if name in spans]
        first, last = min(span[0] for span in asked), max(span[1] for span in asked)
        if node.kind in (CONVOLUTION, TRANSPOSED):
            first, last = _Kernel.of(node).reach(first, last)
        for name in _local_given(node, rates):
            known = spans.get(name, (first, last))
            spans[name] = (min(known[0], first), max(known[1], last))
    return spans[latent]


@dataclass(frozen=True, slots=True)
class _Kernel:
    """What a convolution of the vocoder does to time. Its output is as long as its input, times the rate."""

    rate: int
    span: int
    """From its first to its last value, in values."""
    pad: int
    transposed: bool

    @classmethod
    def of(cls, node: Node) -> "_Kernel":
        sizes = [node.integers(name) for name in ("kernel_shape", "strides", "dilations", "pads")]
        extra = node.integers("output_padding") or (0,)
        if node.text("auto_pad") not in ("", "NOTSET") or [len(size) for size in sizes] != [1, 1, 1, 2]:
            raise UnknownShapeError("a convolution of its vocoder is not over time alone")
        (kernel,), (stride,), (dilation,), (pad, pad_behind) = sizes
        span, transposed = dilation * (kernel - 1), node.kind == TRANSPOSED
        shorter = pad + pad_behind - span
        # An output of transposed convolution is (values - 1) * stride + span + 1 + extra - pads long.
        if (shorter + stride != 1 + extra[0]) if transposed else (shorter or stride != 1):
            raise UnknownShapeError("a convolution of its vocoder shortens the sound")
        return cls(rate=stride, span=span, pad=pad, transposed=transposed)

    def reach(self, first: int, last: int) -> tuple[int, int]:
        """The inputs that the outputs `first` to `last` depend on."""
        if not self.transposed:
            return first - self.pad, last - self.pad + self.span
        return -((self.span - first - self.pad) // self.rate), (last + self.pad) // self.rate
