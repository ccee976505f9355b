"""What Whisper's encoder makes of an utterance, on the processor."""

from pathlib import Path
from typing import Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.engines.base import CancelToken, FloatSamples
from voice_inference.engines.onnx_call import OnnxCall
from voice_inference.engines.stt.ctranslate2_file import read_weights
from voice_inference.engines.stt.encoder_network import encoder_network
from voice_inference.engines.stt.heard_sound import LONG_FRAMES, HeardSound, emphasis_for
from voice_inference.engines.stt.network_layers import Floats, rows_of
from voice_inference.engines.stt.whisper_window import (
    FRAMES_PER_S,
    FULL_WINDOW_S,
    SAMPLES_PER_FRAME,
    every_frame,
    window_frames,
    window_s,
)
from voice_inference.engines.thinned_silence import WindowFrames

FEATURES_PER_S: Final = 2 * FRAMES_PER_S
POSITIONS: Final = "encoder/position_encodings/encodings"


def padded_features(extractor: FeatureExtractor, samples: FloatSamples, length_s: float) -> Floats:
    """The features of `samples` at the beginning of a silent window of `length_s` seconds, (bands, features)."""
    padded = np.zeros(round(length_s * SAMPLE_RATE_HZ), dtype=np.float32)
    padded[: len(samples)] = samples
    features: Floats = extractor(padded)[:, : round(length_s * FEATURES_PER_S)]
    return features


class SoundEncoder:
    """On the processor. One call at a time."""

    def __init__(self, model_file: Path, *, threads: int) -> None:
        """Of CTranslate2's file. Raises ValueError when it, or the model, is not of the known shape."""
        weights = read_weights(model_file)
        self._session = encoder_network(weights).open(threads)
        self._features = FeatureExtractor(feature_size=int(weights["encoder/conv1/weight"].shape[1]))
        self._positions = rows_of(weights, POSITIONS, slice(None))

    def frames(self, samples: FloatSamples, cancel: CancelToken) -> HeardSound:
        """What the decoder is to hear of an utterance of at most PIECE_S_MAX seconds. Raises Cancelled."""
        return self._hear(samples, window_frames(len(samples), window_s(len(samples))), cancel)

    def all_frames(self, samples: FloatSamples, cancel: CancelToken) -> HeardSound:
        """The same with every frame of Whisper's own window. Raises Cancelled."""
        return self._hear(samples, every_frame(FULL_WINDOW_S), cancel)

    def _hear(self, samples: FloatSamples, window: WindowFrames, cancel: CancelToken) -> HeardSound:
        frames = len(window.places)
        features = padded_features(self._features, samples, frames * SAMPLES_PER_FRAME / SAMPLE_RATE_HZ)
        emphasis = window.emphasis
        given = {
            "features": features[np.newaxis],
            "positions": self._positions[window.places],
            "emphasis": emphasis_for(frames, emphasis),
        }
        # A long window's attention takes 32 MB for 20 s, and grows with the square.
        (heard,) = OnnxCall(cancel, give_back=frames >= LONG_FRAMES).run(self._session, given)
        return HeardSound(frames=heard, emphasis=emphasis)
