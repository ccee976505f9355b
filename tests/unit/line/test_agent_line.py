"""The agent's way out: every run whole, none with a trace of the one before, and positions that can be trusted."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_contract.messages import AudioEncoding, AudioFormat
from voice_orchestrator.line.agent_line import RUNS_KEPT_MAX, AgentLine
from voice_orchestrator.line.caller_line import CallerLine
from voice_orchestrator.line.edge_format import EdgeFormat
from voice_orchestrator.line.resampler import HALVING, HOLD_BACK_SAMPLES, Resampler

FORMATS = [
    AudioFormat(encoding=encoding, sample_rate_hz=rate_hz) for encoding in AudioEncoding for rate_hz in (8_000, 16_000)
]
PHONE = AudioFormat(encoding=AudioEncoding.ALAW, sample_rate_hz=8_000)
LINEAR_PHONE = AudioFormat(sample_rate_hz=8_000)
RUN = 3


def name(format_: AudioFormat) -> str:
    return f"{format_.encoding.value}-{format_.sample_rate_hz}"


def noise(samples: int, seed: int = 0) -> NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-32_768, 32_768, samples).astype(np.int16)


def expected(format_: AudioFormat, samples: NDArray[np.int16]) -> bytes:
    if format_.sample_rate_hz == 8_000:
        resampler = Resampler(HALVING)
        samples = np.concatenate([resampler.feed(samples), resampler.finish()])
    return EdgeFormat.of(format_).encode(samples)


def spoken(line: AgentLine, run_id: int, samples: NDArray[np.int16]) -> bytes:
    """A whole run in frames of 20 ms."""
    frames = [samples[first : first + 320].tobytes() for first in range(0, len(samples), 320)]
    return b"".join(line.feed(run_id, frame) for frame in frames) + line.finish(run_id)


@pytest.mark.parametrize("format_", FORMATS, ids=name)
@settings(max_examples=40)
@given(frames=st.lists(st.integers(0, 700), max_size=6), seed=st.integers(0, 99))
def test_a_run_has_its_exact_length_however_it_is_cut(format_: AudioFormat, frames: list[int], seed: int) -> None:
    sound = noise(sum(frames), seed)
    line = AgentLine(format_)
    edge = b""
    for first, behind in pairwise(np.cumsum([0, *frames]).tolist()):
        edge += line.feed(RUN, sound[first:behind].tobytes())
        assert EdgeFormat.of(format_).samples_of(edge) == line.sent_samples(RUN)
    edge += line.finish(RUN)
    assert edge == expected(format_, sound)
    assert EdgeFormat.of(format_).samples_of(edge) == line.sent_samples(RUN) == line.edge_samples(len(sound))


def test_the_runtimes_own_format_passes_as_it_is() -> None:
    pcm = noise(320).tobytes()
    line = AgentLine(AudioFormat())
    assert line.feed(RUN, pcm) is pcm
    assert line.finish(RUN) == b""


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_does_not_hear_the_one_before(ended: bool) -> None:
    line, sound = AgentLine(LINEAR_PHONE), noise(1_001)
    line.feed(RUN, np.full(640, 32_767, dtype=np.int16).tobytes())
    if ended:
        line.finish(RUN)
    assert spoken(line, RUN + 1, sound) == expected(LINEAR_PHONE, sound)


def test_half_an_hour_does_not_drift() -> None:
    frames = 30 * 60 * 50
    line, silence = AgentLine(PHONE), bytes(640)
    edge_samples = 0
    for frame in range(1, frames + 1):
        edge_samples += len(line.feed(RUN, silence))
        assert edge_samples == 160 * frame - HOLD_BACK_SAMPLES // 2
    click = np.zeros(320, dtype=np.int16)
    click[100] = 30_000
    last = np.frombuffer(line.feed(RUN, click.tobytes()) + line.finish(RUN), dtype=np.uint8).tobytes()
    heard = EdgeFormat.of(PHONE).decode(last)
    assert edge_samples + len(heard) == 160 * (frames + 1)
    assert edge_samples + int(heard.argmax()) == 160 * frames + 50


@pytest.mark.parametrize("encoding", list(AudioEncoding), ids=lambda one: str(one.value))
def test_a_voice_survives_the_way_out_and_in_again(encoding: AudioEncoding) -> None:
    format_ = AudioFormat(encoding=encoding, sample_rate_hz=8_000)
    place = np.arange(16_000)
    voice = sum(4_000 * np.sin(2 * np.pi * frequency * place / 16_000) for frequency in (200, 700, 1_900, 3_300))
    voice = np.rint(voice).astype(np.int16)
    line = CallerLine(format_)
    edge = spoken(AgentLine(format_), RUN, voice)
    inner = b"".join(line.feed(edge[first : first + 160]) for first in range(0, len(edge), 160)) + line.finish()
    heard = np.frombuffer(inner, dtype=np.int16)
    assert len(heard) == len(voice)
    inside = slice(HOLD_BACK_SAMPLES * 2, -HOLD_BACK_SAMPLES * 2)
    error = heard[inside].astype(float) - voice[inside]
    ratio_db = 10 * np.log10(np.mean(voice[inside].astype(float) ** 2) / np.mean(error**2))
    assert ratio_db > (60 if encoding is AudioEncoding.S16LE else 35)


# --- positions


@pytest.mark.parametrize("format_", FORMATS, ids=name)
@given(samples=st.integers(0, 2_000), played=st.integers(0, 3_000), whole=st.booleans())
@settings(max_examples=60)
def test_never_more_is_acknowledged_than_was_sent(format_: AudioFormat, samples: int, played: int, whole: bool) -> None:
    line = AgentLine(format_)
    line.feed(RUN, bytes(2 * samples))
    if whole:
        line.finish(RUN)
    ratio = 16_000 // format_.sample_rate_hz
    inner = line.inner_samples(RUN, played)
    assert inner == min(ratio * min(played, line.sent_samples(RUN)), samples)
    if whole and played >= line.sent_samples(RUN):
        assert inner == samples


@given(position=st.integers(0, 10**9))
def test_positions_come_back_to_within_the_sample_that_8_khz_cannot_say(position: int) -> None:
    edge = EdgeFormat.of(PHONE)
    assert edge.inner_samples(edge.edge_samples(position)) - position in (0, 1)
    assert edge.edge_samples(edge.inner_samples(position)) == position
    inner = EdgeFormat.of(AudioFormat())
    assert inner.inner_samples(position) == inner.edge_samples(position) == position


def test_an_edge_may_answer_for_a_run_when_the_next_has_begun() -> None:
    line = AgentLine(PHONE)
    line.feed(RUN, bytes(2 * 641))
    line.finish(RUN)
    line.feed(RUN + 1, bytes(640))
    assert line.inner_samples(RUN, 321) == 641
    assert line.inner_samples(RUN, 100) == 200
    assert line.inner_samples(RUN + 1, 9_999) == 2 * line.sent_samples(RUN + 1) == 320 - HOLD_BACK_SAMPLES


def test_of_a_run_that_never_sounded_nothing_was_played() -> None:
    line = AgentLine(PHONE)
    assert line.inner_samples(RUN, 400) == 0
    assert line.sent_samples(RUN) == 0
    assert line.finish(RUN) == b""


def test_only_the_last_runs_are_remembered() -> None:
    line = AgentLine(AudioFormat())
    for run_id in range(1, RUNS_KEPT_MAX + 2):
        line.feed(run_id, bytes(20))
    assert line.inner_samples(1, 10) == 0
    assert line.inner_samples(2, 10) == 10


# --- what cannot be


def test_sound_of_a_run_that_was_followed_is_refused() -> None:
    line = AgentLine(PHONE)
    line.feed(RUN + 1, bytes(640))
    with pytest.raises(ValueError, match=r"^run 3 was followed by run 4 and can have no more sound$"):
        line.feed(RUN, bytes(640))
    with pytest.raises(ValueError, match=r"^run 3 was followed by run 4"):
        line.finish(RUN)


def test_sound_behind_the_end_of_a_run_is_refused() -> None:
    line = AgentLine(PHONE)
    line.feed(RUN, bytes(640))
    line.finish(RUN)
    assert line.finish(RUN) == b""
    with pytest.raises(ValueError, match=r"^run 3 has ended and can have no more sound$"):
        line.feed(RUN, bytes(640))


def test_half_a_sample_is_refused_and_leaves_no_trace() -> None:
    line, sound = AgentLine(LINEAR_PHONE), noise(640)
    with pytest.raises(ValueError, match="in the middle of a sample"):
        line.feed(RUN, bytes(641))
    assert spoken(line, RUN, sound) == expected(LINEAR_PHONE, sound)
