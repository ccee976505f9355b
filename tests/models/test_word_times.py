"""Where the real voice says that its words end, against the sound itself."""

from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.engines.base import CancelToken, IntSamples, TtsEnd
from voice_inference.engines.tts import voice_graph
from voice_inference.engines.tts.piper import Piper

pytestmark = pytest.mark.models

VOICE: Final = "en_US-joe-medium"
FRAME: Final = 160
PAUSE_FRAMES: Final = 8
"""Silence of 80 ms is a pause."""

SENTENCES: Final = (
    "Good morning, how can I help you today?",
    "Of course. In the meantime, you can send us the form.",
    "Yes, we do offer evening classes, usually twice a week.",
    "The application fee is 75 dollars, and it is not refundable.",
    "Your appointment is on March 25 at 10:30, with Dr. Smith.",
    "I'm sorry, I didn't catch that. Could you say it again?",
)


def voice() -> Piper:
    folder: Path = ModelStore(default_cache_dir()).verified_dir(VOICE)
    return Piper(folder, model=VOICE, device="cpu", threads=2)


@pytest.fixture(scope="module")
def tts() -> Piper:
    return voice()


def speak(tts: Piper, text: str, rate: float = 1.0) -> tuple[IntSamples, tuple[int, ...]]:
    *pieces, end = tts.synthesize(text, "", rate, CancelToken())
    assert isinstance(end, TtsEnd)
    return np.concatenate([piece for piece in pieces if not isinstance(piece, TtsEnd)]), end.word_end_samples


def pauses(sound: IntSamples) -> list[tuple[int, int]]:
    """Stretches of silence, in samples."""
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = np.sqrt(np.square(frames).mean(axis=1))
    loud = [-1, *np.flatnonzero(level > 0.02 * level.max()).tolist(), len(level)]
    return [((before + 1) * FRAME, after * FRAME) for before, after in pairwise(loud) if after - before > PAUSE_FRAMES]


def ms_off(tts: Piper) -> list[float]:
    """For each word before a pause, how far from the beginning of the nearest pause it is said to end."""
    off: list[float] = []
    for text in SENTENCES:
        sound, ends = speak(tts, text)
        quiet = pauses(sound)
        inside = [end for word, end in zip(text.split(), ends, strict=True) if word[-1] in ",?" or word == "course."]
        off += [min(abs(end - begin) for begin, _ in quiet) / 16 for end in inside]
    return off


def test_words_before_a_pause_end_where_the_pause_begins(tts: Piper) -> None:
    assert tts.describe().word_times
    off = ms_off(tts)
    assert len(off) >= 10
    assert np.mean(off) < 80
    assert max(off) < 200


def test_every_word_has_an_end_in_the_sound(tts: Piper) -> None:
    for text in (*SENTENCES, "That costs $49.99 & includes e.g. the [[ foʊtoʊ ]] — and 221B.", "No.", "a\nb"):
        sound, ends = speak(tts, text)
        assert len(ends) == len(text.split())
        assert list(ends) == sorted(ends)
        assert 0 < ends[-1] <= len(sound)


def test_ends_of_later_sentences_lie_behind_the_earlier_ones(tts: Piper) -> None:
    first, _ = speak(tts, "Of course.")
    _, ends = speak(tts, "Of course. Thank you.")
    # The voice never says a sentence twice alike.
    assert ends[1] < 1.3 * len(first)
    assert ends[2] > 0.7 * len(first)


def test_faster_speech_has_earlier_ends(tts: Piper) -> None:
    text = "We are open from Monday to Friday."
    assert speak(tts, text, rate=1.5)[1][-1] < 0.85 * speak(tts, text)[1][-1]


def test_a_voice_that_does_not_tell_is_estimated_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_graph, "_durations_name", lambda network: None)
    silent = voice()
    assert not silent.describe().word_times
    sound, ends = speak(silent, SENTENCES[0])
    assert len(ends) == len(SENTENCES[0].split())
    assert list(ends) == sorted(ends)
    assert 0.7 * len(sound) < ends[-1] <= len(sound)
