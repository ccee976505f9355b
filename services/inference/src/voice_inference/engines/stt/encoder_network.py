"""Whisper's encoder as a network for ONNX Runtime, made of the weights in CTranslate2's file."""

from typing import Final

from voice_inference.engines.stt.network_layers import NetworkLayers, Weights
from voice_inference.engines.stt.network_writer import WrittenNetwork

KERNEL: Final = 3
"""Features, then frames, that are looked at together."""


def encoder_network(weights: Weights) -> WrittenNetwork:
    """The network for the weights of a Whisper model: it makes `heard`, (1, frames, size), of `features`, (1, bands,
    2 frames), `positions`, (frames, size), and `emphasis` on every frame, (1, 1, frames, frames). Raises ValueError
    when the model is not of the known shape.
    """
    try:
        return _network(weights)
    except KeyError as error:
        raise ValueError(f"the model has no weight {error}") from error


def _network(weights: Weights) -> WrittenNetwork:
    layers = NetworkLayers(weights, "encoder")
    writer = layers.writer
    wide = writer.node("Gelu", [_convolution(layers, "features", "conv1", step=1)])
    wide = writer.node("Gelu", [_convolution(layers, wide, "conv2", step=2)])
    state = writer.node("Add", [writer.node("Transpose", [wide], perm=(0, 2, 1)), "positions"])
    read = layers.normalised(state, "layer_0/self_attention/layer_norm")
    for layer in range(layers.layers):
        scope = f"layer_{layer}/self_attention"
        mixed = layers.product_of_many(read, f"{scope}/linear_0")
        query, key, value = writer.nodes("Split", [mixed], results=3, axis=2, num_outputs=3)
        heard = layers.attention(query, key, value, "emphasis")
        heard = layers.product_of_many(heard, f"{scope}/linear_1")
        state, read = layers.added(state, heard, f"layer_{layer}/ffn/layer_norm")
        wide = writer.node("Gelu", [layers.product_of_many(read, f"layer_{layer}/ffn/linear_0")])
        # Single frames have numbers here that are a hundred times as large as all others.
        state, read = layers.added(state, layers.product(wide, f"layer_{layer}/ffn/linear_1"), layers.norm_after(layer))
    writer.nodes("Identity", [read], results=["heard"])
    bands = int(weights["encoder/conv1/weight"].shape[1])
    given = {
        "features": ("float32", (1, bands, "features")),
        "positions": ("float32", ("frames", layers.size)),
        "emphasis": ("float32", (1, 1, "frames", "frames")),
    }
    return writer.network(given, ["heard"])


def _convolution(layers: NetworkLayers, given: str, name: str, *, step: int) -> str:
    parts = [given, layers.floats(f"{name}/weight"), layers.floats(f"{name}/bias")]
    return layers.writer.node("Conv", parts, kernel_shape=(KERNEL,), pads=(1, 1), strides=(step,))
