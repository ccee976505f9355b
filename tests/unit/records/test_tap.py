"""The tap puts both sides where they were spoken and heard, as an edge that plays what it gets would have."""

import asyncio
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_contract.audio import FRAME_SAMPLES
from voice_contract.messages import (
    Audio,
    AudioFormat,
    CallAccepted,
    Event,
    Heartbeat,
    Payload,
    PlayoutFlush,
    PlayoutPause,
    PlayoutPosition,
    PlayoutResume,
    RunAudioEnd,
)
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.audio_files.stereo_recording import AGENT, CALLER, StereoRecording
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import RunPlayed, Speaker
from voice_orchestrator.records.tap import AHEAD_MS_MAX, RecordingTap

FRAME_S = 0.02
ACCEPTED = CallAccepted(caller_format=AudioFormat(), agent_format=AudioFormat())


class MemoryTrack:
    """Implements SoundTrack in memory."""

    def __init__(self) -> None:
        self.recording = StereoRecording()

    def write_caller(self, position_samples: int, pcm: bytes) -> None:
        self.recording.write_caller(position_samples, np.frombuffer(pcm, dtype="<i2"))

    def write_agent(self, position_samples: int, pcm: bytes) -> None:
        self.recording.write_agent(position_samples, np.frombuffer(pcm, dtype="<i2"))


class Rig:
    """A tap whose timeline begins with the session's clock."""

    def __init__(self, accepted_at_s: float = 0.0) -> None:
        self.track = MemoryTrack()
        self.tap = RecordingTap(self.track)
        self.tap.on_sent(ACCEPTED, 0, accepted_at_s)

    def side(self, channel: int) -> NDArray[np.int16]:
        sound: NDArray[np.int16] = self.track.recording.samples()[:, channel]
        return sound

    def say(self, run_id: int, begin: int, count: int, now_s: float) -> None:
        """A frame of a run whose samples count from `begin`."""
        self.tap.on_sent(Audio(pcm=counted(begin, count).tobytes(), offset_samples=begin), run_id, now_s)

    def hear(self, begin: int, count: int, now_s: float) -> None:
        self.tap.on_received(Audio(pcm=counted(begin, count).tobytes(), offset_samples=begin), 0, now_s)


def counted(begin: int, count: int) -> NDArray[np.int16]:
    return (np.arange(begin, begin + count) % 30_000 + 1).astype("<i2")


def spoken(sound: NDArray[np.int16]) -> list[int]:
    """What is not silent."""
    return [int(sample) for sample in sound if sample]


def test_the_caller_lies_at_their_own_offset_whatever_the_network_did() -> None:
    rig = Rig(1.0)
    for frame, delay_s in enumerate((0.0, 0.3, 0.28, 0.26, 0.0)):
        rig.hear(frame * FRAME_SAMPLES, FRAME_SAMPLES, 1.0 + (frame + 1) * FRAME_S + delay_s)
    assert np.array_equal(rig.side(CALLER), counted(0, 5 * FRAME_SAMPLES))
    assert rig.tap.origin_ms == 1_000


def test_the_timeline_begins_where_the_earliest_arrival_puts_it_until_the_agent_is_heard() -> None:
    rig = Rig(0.9)
    rig.hear(0, FRAME_SAMPLES, 1.3)
    assert rig.tap.origin_ms == 1_280
    rig.hear(FRAME_SAMPLES, FRAME_SAMPLES, 1.04)
    assert rig.tap.origin_ms == 1_000
    rig.say(1, 0, FRAME_SAMPLES, 1.125)
    rig.hear(2 * FRAME_SAMPLES, FRAME_SAMPLES, 1.05)
    rig.tap.finish(2.0)
    assert rig.tap.origin_ms == 1_000
    assert rig.tap.runs == {1: RunPlayed(start_samples=2_000, end_samples=2_320, played_samples=320)}
    assert np.array_equal(rig.side(AGENT)[2_000:], counted(0, 320))


def test_without_a_caller_who_speaks_it_begins_when_the_call_was_taken() -> None:
    rig = Rig(0.5)
    rig.say(1, 0, 320, 0.75)
    rig.tap.finish(1.0)
    assert rig.tap.origin_ms == 500
    assert np.flatnonzero(rig.side(AGENT))[0] == 4_000


def test_sound_from_a_future_that_far_away_is_not_recorded() -> None:
    rig = Rig()
    rig.hear(0, 320, 0.02)
    rig.hear(16 * AHEAD_MS_MAX, 320, 0.02)
    rig.hear(16 * (AHEAD_MS_MAX + 21), 320, 0.02)
    rig.hear(2**40, 320, 0.04)
    assert rig.tap.ahead_samples == 640
    assert len(rig.side(CALLER)) == 16 * AHEAD_MS_MAX + 320


def test_what_is_sent_ahead_waits_for_its_time() -> None:
    rig = Rig()
    for frame in range(3):
        rig.say(1, frame * 320, 320, 1.0)
    rig.tap.finish(1.03)
    assert rig.tap.runs[1] == RunPlayed(start_samples=16_000, end_samples=16_480, played_samples=480)
    assert np.array_equal(rig.side(AGENT)[16_000:], counted(0, 480))


def test_a_pause_is_silence_and_not_a_sample_is_lost() -> None:
    rig = Rig()
    rig.say(1, 0, 640, 0.0)
    rig.tap.on_sent(PlayoutPause(), 1, 0.01)
    rig.tap.on_sent(PlayoutResume(), 1, 0.51)
    rig.say(1, 640, 320, 0.53)
    rig.tap.on_sent(RunAudioEnd(total_samples=960), 1, 0.53)
    rig.tap.finish(1.0)
    sound = rig.side(AGENT)
    assert np.array_equal(sound[:160], counted(0, 160))
    assert not sound[160:8_160].any()
    assert np.array_equal(sound[8_160:], counted(160, 800))


@pytest.mark.parametrize("reported", [0, 100, 480, 500, 640, 9_999])
def test_after_a_flush_the_recording_holds_what_the_edge_says_it_played(reported: int) -> None:
    rig = Rig()
    rig.say(1, 0, 320, 0.0)
    rig.say(1, 320, 320, 0.0)
    rig.tap.on_sent(PlayoutPause(), 1, 0.01)
    rig.tap.on_sent(PlayoutResume(), 1, 0.05)
    rig.tap.on_sent(PlayoutFlush(), 1, 0.07)
    assert rig.tap.runs[1].played_samples == 480
    rig.tap.on_received(PlayoutPosition(played_samples=reported), 1, 0.09)
    rig.say(1, 640, 320, 0.1)  # it was on its way; nobody hears it
    heard = min(reported, 640)
    assert spoken(rig.side(AGENT)) == counted(0, heard).tolist()
    if heard:
        run = rig.tap.runs[1]
        assert (run.played_samples, run.start_samples) == (heard, 0)
        assert rig.side(AGENT)[run.end_samples - 1] == heard
    else:
        assert rig.tap.runs == {}


def test_a_run_that_only_the_edge_heard_begins_where_it_was_flushed() -> None:
    rig = Rig()
    rig.say(1, 0, 320, 1.0)
    rig.tap.on_sent(PlayoutFlush(), 1, 1.0)
    assert rig.tap.runs == {}
    rig.tap.on_received(PlayoutPosition(played_samples=100), 1, 1.1)
    assert rig.tap.runs == {1: RunPlayed(start_samples=16_000, end_samples=16_100, played_samples=100)}
    assert spoken(rig.side(AGENT)) == counted(0, 100).tolist()


def test_a_report_of_a_run_that_was_not_flushed_changes_nothing() -> None:
    rig = Rig()
    rig.say(1, 0, 320, 0.0)
    rig.tap.on_received(PlayoutPosition(played_samples=10), 1, 0.1)
    rig.tap.on_received(PlayoutPosition(played_samples=10), 7, 0.1)
    rig.tap.on_received(Heartbeat(), 0, 0.1)
    rig.tap.on_sent(Heartbeat(), 0, 0.1)
    rig.tap.finish(0.2)
    assert spoken(rig.side(AGENT)) == counted(0, 320).tolist()


# --- against the edge that the command line uses


class Wire:
    """Implements EdgePort for an edge's playout: keeps what it sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Payload]] = []

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        self.sent.append((run_id, payload))

    async def receive(self) -> Event:
        raise AssertionError("a playout receives nothing by itself")

    def close(self) -> None:
        raise AssertionError("a playout does not close its stream")


ORDERS: dict[str, Payload] = {"pause": PlayoutPause(), "resume": PlayoutResume(), "flush": PlayoutFlush()}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("say", "say", "say", "pause", "resume", "flush", "next")),
        st.integers(1, 700),
        st.integers(0, 50),
    ),
    max_size=60,
)


def told(steps: Iterable[tuple[str, int, int]], latency_s: float) -> tuple[Rig, StereoRecording, Playout, Wire]:
    """Has a server's stream reach an edge after `latency_s`, and its reports the tap after as long again."""
    rig, recording, wire = Rig(), StereoRecording(), Wire()
    now_ms, edge_now_ms, run_id, sent = 0, 0.0, 1, 0
    speaker = Speaker(recording)
    playout = Playout(wire, speaker, lambda: edge_now_ms / 1_000)
    sequencer = EventSequencer("test", lambda: 0)

    async def cross(payload: Payload) -> None:
        nonlocal edge_now_ms
        rig.tap.on_sent(payload, run_id, now_ms / 1_000)
        edge_now_ms = now_ms + latency_s * 1_000
        before = len(wire.sent)
        await playout.accept(sequencer.make(payload, run_id))
        for reported_run, report in wire.sent[before:]:
            rig.tap.on_received(report, reported_run, now_ms / 1_000 + 2 * latency_s)

    async def tell() -> None:
        nonlocal now_ms, edge_now_ms, run_id, sent
        for kind, samples, wait_ms in steps:
            if kind == "say":
                await cross(Audio(pcm=counted(1_000 * run_id + sent, samples).tobytes(), offset_samples=sent))
                sent += samples
            elif kind == "next":
                run_id, sent = run_id + 1, 0
            else:
                await cross(ORDERS[kind])
            now_ms += wait_ms
        edge_now_ms = now_ms + latency_s * 1_000
        speaker.advance(playout.now_samples())
        rig.tap.finish(now_ms / 1_000)

    asyncio.run(tell())
    return rig, recording, playout, wire


@given(steps=STEPS)
@settings(max_examples=150)
def test_beside_the_edge_it_records_what_the_edge_records(steps: list[tuple[str, int, int]]) -> None:
    rig, recording, playout, _ = told(steps, 0.0)
    assert np.array_equal(rig.track.recording.samples(), recording.samples())
    assert rig.tap.runs == playout._speaker.runs


@given(steps=STEPS, latency_ms=st.integers(1, 120))
@settings(max_examples=100)
def test_far_from_the_edge_it_counts_what_the_edge_reports(steps: list[tuple[str, int, int]], latency_ms: int) -> None:
    rig, _, _, wire = told(steps, latency_ms / 1_000)
    flushed = {run_id: report.played_samples for run_id, report in wire.sent if isinstance(report, PlayoutPosition)}
    for run_id, played in flushed.items():
        run = rig.tap.runs.get(run_id)
        assert (run.played_samples if run else 0) == played
    total = sum(run.played_samples for run in rig.tap.runs.values())
    assert len(spoken(rig.side(AGENT))) == total
