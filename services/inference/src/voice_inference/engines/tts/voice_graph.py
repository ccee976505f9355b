"""Makes a Piper voice tell how long each phoneme is, and takes it apart into what can be run in windows.

The file is not changed, and the onnx package is not needed. The network computes the durations, rounds them up with
its one Ceil node and keeps them to itself.
"""

from dataclasses import dataclass
from pathlib import Path

from voice_inference.engines.onnx_messages import new_model
from voice_inference.engines.tts.network_parts import Network, read_network, write_network
from voice_inference.engines.tts.vocoder_cut import UnknownShapeError, Vocoder, find_vocoder, nodes_before


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceParts:
    """A voice as two models."""

    encoder: bytes
    """From phonemes to the vocoder's latent, its sides, and the durations if it tells them, in this order."""
    vocoder: bytes
    """From the latent and the sides to sound."""
    shape: Vocoder
    tells_durations: bool


def voice_parts(model_file: Path) -> VoiceParts:
    """The voice in `model_file`, cut before its vocoder. Raises UnknownShapeError when it is not of the known shape."""
    try:
        network = read_network(model_file.read_bytes())
        shape, vocoder_nodes = find_vocoder(network)
    except (IndexError, ValueError) as error:
        # Nodes that lack what every node of their kind has are found where it is looked for.
        raise UnknownShapeError(str(error)) from error
    durations = _durations_name(network)
    outputs = [shape.latent, *shape.sides, *([durations] if durations else [])]
    return VoiceParts(
        encoder=write_network(network, nodes_before(network, outputs), floats_given=(), outputs=outputs),
        vocoder=write_network(
            network, vocoder_nodes, floats_given=(shape.latent, *shape.sides), outputs=network.outputs[:1]
        ),
        shape=shape,
        tells_durations=durations is not None,
    )


def with_durations(model_file: Path) -> bytes | None:
    """The whole model in `model_file` with the durations as a further output, or None when it cannot be so extended."""
    try:
        content = model_file.read_bytes()
        name = _durations_name(read_network(content))
    except ValueError:
        return None
    if name is None:
        return None
    # A message followed by another of its type reads as both merged, so the output may stand behind the model.
    further = new_model()
    further.graph.output.add(name=name)
    return content + further.SerializeToString()


def _durations_name(network: Network) -> str | None:
    """Name of what the only Ceil node gives; None when there is another number of them, or it is an output already."""
    names = [name for node in network.nodes if node.kind == "Ceil" for name in node.made]
    return names[0] if len(names) == 1 and names[0] not in network.outputs else None
