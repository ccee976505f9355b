"""Whisper's decoder as networks for ONNX Runtime, made of the weights in CTranslate2's file.

CTranslate2 takes 48 MB of 8-bit weights for every token through a product of matrices that is made for many rows: 9 ms
where reading them takes 2. ONNX Runtime has one that is made for a single row.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_inference.engines.onnx_messages import Dimension
from voice_inference.engines.stt.network_layers import CONTRIBUTED, NetworkLayers, Weights
from voice_inference.engines.stt.network_writer import WrittenNetwork

GELU: Final = 3
"""CTranslate2's number of the activation."""

KNOWN: Final = {"activation": GELU, "pre_norm": 1, "scale_embeddings": 0, "alibi": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderNetworks:
    """`memory` makes `memory_key_N` and `memory_value_N` of every layer N, each (1, heads, frames, head size), of the
    encoder's `frames`, (1, frames, size). `step` makes `scores`, (1, rows, vocabulary), and `next_key_N` and
    `next_value_N` of `tokens`, (1, tokens, size), of those, of `emphasis` on every frame, (1, 1, tokens, frames), of
    `past_key_N` and `past_value_N`, which are the step's before, and of `rows`, the tokens whose scores are wanted.
    """

    memory: WrittenNetwork
    step: WrittenNetwork
    layers: int
    heads: int
    head_size: int


def decoder_networks(weights: Weights) -> DecoderNetworks:
    """The networks for the weights of a Whisper model. Raises ValueError when it is not of the known shape."""
    try:
        for name, wanted in KNOWN.items():
            found = int(weights[f"decoder/{name}"])
            if found != wanted:
                raise ValueError(f"the decoder's {name} is {found}, known is {wanted}")
        step = NetworkLayers(weights, "decoder")
        return DecoderNetworks(
            memory=_memory_network(NetworkLayers(weights, "decoder")),
            step=_step_network(step),
            layers=step.layers,
            heads=step.heads,
            head_size=step.size // step.heads,
        )
    except KeyError as error:
        raise ValueError(f"the model has no weight {error}") from error


def _memory_network(layers: NetworkLayers) -> WrittenNetwork:
    writer, made = layers.writer, list[str]()
    shape = writer.weight(np.array([1, -1, 2, layers.heads, layers.size // layers.heads]))
    first = writer.weight(np.array([0]))
    for layer in range(layers.layers):
        both = writer.node("Reshape", [layers.product_of_many("frames", f"layer_{layer}/attention/linear_1"), shape])
        both = writer.node("Transpose", [both], perm=(2, 0, 3, 1, 4))
        names = [f"memory_key_{layer}", f"memory_value_{layer}"]
        for half, result in zip(writer.nodes("Split", [both], results=2, axis=0, num_outputs=2), names, strict=True):
            writer.nodes("Squeeze", [half, first], results=[result])
        made += names
    return writer.network({"frames": ("float32", (1, "frames", layers.size))}, made)


def _step_network(layers: NetworkLayers) -> WrittenNetwork:
    writer, made = layers.writer, ["scores"]
    state, read = "tokens", layers.normalised("tokens", "layer_0/self_attention/layer_norm")
    for layer in range(layers.layers):
        state, read = layers.added(state, _own_words(layers, layer, read), f"layer_{layer}/attention/layer_norm")
        state, read = layers.added(state, _sound(layers, layer, read), f"layer_{layer}/ffn/layer_norm")
        wide = writer.node("Gelu", [layers.product(read, f"layer_{layer}/ffn/linear_0")])
        state, read = layers.added(state, layers.product(wide, f"layer_{layer}/ffn/linear_1"), layers.norm_after(layer))
        made += [f"next_key_{layer}", f"next_value_{layer}"]
    layers.product(writer.node("Gather", [read, "rows"], axis=1), "projection", made="scores")
    return writer.network(_given(layers), made)


def _own_words(layers: NetworkLayers, layer: int, read: str) -> str:
    """Attention to the words before; the new keys and values are results of the network."""
    scope = f"layer_{layer}/self_attention"
    mixed = layers.product(read, f"{scope}/linear_0")
    query, key, value = layers.writer.nodes("Split", [mixed], results=3, axis=2, num_outputs=3)
    heard, _, _ = layers.writer.nodes(
        "MultiHeadAttention",
        [query, key, value, "", "", "", f"past_key_{layer}", f"past_value_{layer}"],
        results=[f"own_{layer}", f"next_key_{layer}", f"next_value_{layer}"],
        domain=CONTRIBUTED,
        num_heads=layers.heads,
        unidirectional=1,
    )
    return layers.product(heard, f"{scope}/linear_1")


def _sound(layers: NetworkLayers, layer: int, read: str) -> str:
    """Attention to what the encoder heard."""
    scope = f"layer_{layer}/attention"
    query = layers.product(read, f"{scope}/linear_0")
    heard = layers.attention(query, f"memory_key_{layer}", f"memory_value_{layer}", "emphasis")
    return layers.product(heard, f"{scope}/linear_2")


def _given(layers: NetworkLayers) -> dict[str, tuple[str, tuple[Dimension, ...]]]:
    given: dict[str, tuple[str, tuple[Dimension, ...]]] = {
        "tokens": ("float32", (1, "tokens", layers.size)),
        "rows": ("int64", ("rows",)),
        "emphasis": ("float32", (1, 1, "tokens", "frames")),
    }
    head_size = layers.size // layers.heads
    for layer in range(layers.layers):
        for what in ("key", "value"):
            given[f"past_{what}_{layer}"] = ("float32", (1, layers.heads, "past", head_size))
            given[f"memory_{what}_{layer}"] = ("float32", (1, layers.heads, "frames", head_size))
    return given
