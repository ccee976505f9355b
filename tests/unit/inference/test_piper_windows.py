"""The Piper engine with a small voice: windows or whole sentences, cancelled at any call, words where they end."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from support.counted_sessions import CountedSessions
from support.small_voice import SmallVoice, node

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_inference.engines.base import Cancelled, CancelToken, IntSamples, TtsEnd
from voice_inference.engines.tts import piper
from voice_inference.engines.tts.piper import Piper
from voice_inference.engines.tts.sentence_sound import PIECE_SAMPLES
from voice_inference.lanes import Lane

NAME = "xx_XX-small"
TEXT = "we are open from monday to friday"
WHOLE = (node("Dropout", ["wave"], "bent"),)
"""Changes nothing, and is not known to be local."""


def engine(folder: Path, voice: SmallVoice | None = None, *, rate_hz: int = 22_050, phonemes: str = "text") -> Piper:
    (voice or SmallVoice()).write(folder, NAME, rate_hz=rate_hz, phonemes=phonemes)
    return Piper(folder, model=NAME, device="cpu", threads=1)


def said(tts: Piper, text: str, rate: float = 1.0) -> tuple[IntSamples, tuple[int, ...]]:
    *pieces, end = tts.synthesize(text, "", rate, CancelToken())
    assert isinstance(end, TtsEnd)
    sound = [piece for piece in pieces if not isinstance(piece, TtsEnd)]
    assert max(map(len, sound)) <= PIECE_SAMPLES
    return np.concatenate(sound), end.word_end_samples


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> CountedSessions:
    sessions = CountedSessions()
    monkeypatch.setattr(piper, "session_opener", sessions.opener)
    return sessions


@pytest.mark.parametrize("speakers", [1, 2])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_windows_sound_like_the_whole_sentence_and_end_words_alike(tmp_path: Path, speakers: int, rate_hz: int) -> None:
    with capture_logs() as logs:
        windowed = engine(tmp_path, SmallVoice(speakers=speakers), rate_hz=rate_hz)
    assert logs == []
    with capture_logs() as logs:
        whole = engine(tmp_path, SmallVoice(speakers=speakers, extra=WHOLE), rate_hz=rate_hz)
    assert logs == [
        {
            "event": "voice_speaks_whole_sentences",
            "log_level": "warning",
            "model": NAME,
            "reason": "its vocoder has a Dropout",
        }
    ]
    assert windowed.describe() == whole.describe()
    in_windows, ends = said(windowed, TEXT)
    at_once, ends_at_once = said(whole, TEXT)
    assert len(in_windows) == len(at_once)
    assert np.abs(in_windows.astype(np.int32) - at_once).max() <= 2
    assert ends == ends_at_once


def test_words_end_with_their_last_phoneme_and_the_pad_behind_it(tmp_path: Path) -> None:
    voice = SmallVoice()
    _, ends = said(engine(tmp_path, voice), TEXT)
    # The beginning and every letter, each with a pad behind it; nothing silent is left out before these.
    letters = np.cumsum([len(word) + 1 for word in TEXT.split()]) - 1
    expected = [(1 + count) * 2 * voice.frames_of_id * 256 * 16_000 / 22_050 for count in letters]
    assert ends == pytest.approx(expected, abs=2)


def test_a_voice_that_keeps_its_durations_has_them_estimated(tmp_path: Path) -> None:
    tts = engine(tmp_path, SmallVoice(tells=False))
    assert not tts.describe().word_times
    sound, ends = said(tts, TEXT)
    assert list(ends) == sorted(ends)
    assert ends[-1] == len(sound)


def test_sentences_follow_each_other(tmp_path: Path) -> None:
    tts = engine(tmp_path, phonemes="espeak")
    first, first_ends = said(tts, "Of course.")
    both, ends = said(tts, "Of course. Thank you.")
    assert both[: len(first)].tolist() == first.tolist()
    assert ends[:2] == first_ends
    assert len(first) < ends[2] < ends[3] <= len(both)


def test_one_phoneme_is_one_window(tmp_path: Path, sessions: CountedSessions) -> None:
    tts = engine(tmp_path, SmallVoice(frames_of_id=1))
    tts.warm_up()
    sessions.inputs.clear()
    sound, ends = said(tts, "a")
    # Beginning, letter and end, with pads between them.
    assert sessions.lengths == [5, 5]
    assert len(sound) == round(5 * 256 * 16_000 / 22_050)
    assert len(ends) == 1


def test_the_longest_text_needs_no_longer_windows(tmp_path: Path, sessions: CountedSessions) -> None:
    text = "word " * 300
    tts = engine(tmp_path, SmallVoice(frames_of_id=1))
    tts.warm_up()
    sessions.inputs.clear()
    sound, ends = said(tts, text)
    ids, first, *others = sessions.lengths
    # The beginning, the end, and a pad between all.
    assert ids == 2 * len(text) + 3
    assert len(sound) == pytest.approx(ids * 256 * 16_000 / 22_050, abs=1)
    assert first < 36
    assert max(others) <= 103 + 10
    assert len(others) > 20
    assert len(ends) == 300
    assert list(ends) == sorted(set(ends))


def test_faster_speech_is_asked_of_the_voice(tmp_path: Path, sessions: CountedSessions) -> None:
    tts = engine(tmp_path)
    tts.warm_up()
    sessions.inputs.clear()
    said(tts, "one", rate=1.25)
    assert sessions.inputs[0]["scales"].tolist() == pytest.approx([0.667, 0.8, 0.8])


@pytest.mark.parametrize(
    ("text", "voice", "reason"),
    [("", "", FailureReason.EMPTY_RESULT), ("a", "nobody", FailureReason.MODEL_MISSING)],
)
def test_what_cannot_be_spoken_is_a_failure(tmp_path: Path, text: str, voice: str, reason: FailureReason) -> None:
    with pytest.raises(VoiceAgentError) as refused:
        list(engine(tmp_path, phonemes="espeak").synthesize(text, voice, 1.0, CancelToken()))
    assert refused.value.failure.reason is reason


def test_a_cancel_between_windows_ends_it_before_the_next_one(tmp_path: Path, sessions: CountedSessions) -> None:
    tts = engine(tmp_path)
    tts.warm_up()
    sessions.inputs.clear()
    cancel = CancelToken()
    pieces = tts.synthesize(TEXT, "", 1.0, cancel)
    next(pieces)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(pieces)
    assert len(sessions.lengths) == 2
    assert sessions.failures == []


@pytest.mark.parametrize(
    ("voice", "call"),
    [(SmallVoice(), 0), (SmallVoice(), 1), (SmallVoice(), 2), (SmallVoice(extra=WHOLE), 0)],
    ids=["frames", "first-window", "second-window", "whole"],
)
def test_a_cancel_inside_a_call_stops_that_call(
    tmp_path: Path, sessions: CountedSessions, voice: SmallVoice, call: int
) -> None:
    tts = engine(tmp_path, voice)
    expected = said(tts, TEXT)
    cancel = CancelToken()
    sessions.inputs.clear()
    sessions.cancel_in(call, cancel)
    with pytest.raises(Cancelled):
        list(tts.synthesize(TEXT, "", 1.0, cancel))
    assert len(sessions.lengths) == call + 1
    assert len(sessions.failures) == 1
    assert "terminate" in sessions.failures[0]
    # What comes later is not touched by it.
    sound, ends = said(tts, TEXT)
    assert (sound.tolist(), ends) == (expected[0].tolist(), expected[1])


def test_what_fails_without_a_cancel_is_told(tmp_path: Path) -> None:
    tts = engine(tmp_path)
    with pytest.raises(Exception, match="input"):
        tts._network.speak({}, CancelToken())


async def test_a_lane_is_free_again_when_its_speech_is_cancelled(tmp_path: Path, sessions: CountedSessions) -> None:
    tts = engine(tmp_path)
    tts.warm_up()
    lane = Lane("tts", threads=1, queue_max=2, stage=Stage.TTS)
    try:
        cancel = CancelToken()
        sessions.cancel_in(len(sessions.lengths) + 2, cancel)
        with pytest.raises(Cancelled):
            async for _ in lane.stream(lambda: tts.synthesize(TEXT, "", 1.0, cancel), deadline_s=0, cancel=cancel):
                pass
        later = CancelToken()
        stream = lane.stream(lambda: tts.synthesize("a", "", 1.0, later), deadline_s=0, cancel=later)
        assert [type(item) async for item in stream][-1] is TtsEnd
    finally:
        await asyncio.to_thread(lane.close)
