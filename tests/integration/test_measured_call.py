"""Metrics during whole calls on virtual time, against what the recording of the same call says."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from support.measured_script import value_of
from support.scripted_inference import AGENT_LEVEL, Behaviour, ScriptedInference
from support.session_script import policy
from support.virtual_call import speech
from support.virtual_time import run_virtual, virtual_clock

from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.edges.wav_edge import WavEdge, WavScript
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.edge_pair import edge_pair
from voice_orchestrator.runtime.journal import NoJournal
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime
from voice_orchestrator.service.measured_edge import MeasuredEdge
from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.service.session_metrics import SessionMetrics

LONG = "One two three four five six seven eight nine ten. " * 3


@dataclass(slots=True, kw_only=True)
class MeasuredCall:
    """A call that is over, with what was measured while it lasted."""

    metrics: ServiceMetrics
    edge: WavEdge
    agent_spans_ms: list[tuple[int, int]]

    def value(self, name: str, **labels: str) -> float:
        return value_of(self.metrics, name, **labels)


async def call(node: ScriptedInference, *sounds: CallerSound, overlap_s: float | None = None) -> MeasuredCall:
    clock, metrics, recording = virtual_clock(), ServiceMetrics(), StereoRecording()
    session = SessionMetrics(metrics, "clinic")
    session_end, edge_end = edge_pair("test", clock.monotonic_us)
    measured = MeasuredEdge(session_end, session, clock)
    runtime = SessionRuntime("test", policy(), measured, node, clock, NoJournal(), [session])
    script = WavScript(sounds=sounds, greets=False, settle_s=1.0, overlap_s=overlap_s)
    edge = WavEdge(edge_end, clock, script, recording, "clinic", [])

    async def serve() -> SessionOutcome:
        return await runtime.run(await receive_open(measured))

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve())
        group.create_task(edge.run())
    session.close(serving.result().cause)
    loud = np.concatenate([[False], recording.samples()[:, 1] == AGENT_LEVEL, [False]])
    turns = np.flatnonzero(loud[1:] != loud[:-1]) // 16
    spans = [(int(start), int(end)) for start, end in zip(turns[::2], turns[1::2], strict=True)]
    return MeasuredCall(metrics=metrics, edge=edge, agent_spans_ms=spans)


def test_the_latency_that_is_counted_is_the_one_in_the_recording() -> None:
    made = run_virtual(call(ScriptedInference(), speech(1.0)))
    spoken_until_ms = made.edge.files[0].start_samples / 16 + 1_000
    measured_s = (made.agent_spans_ms[0][0] - spoken_until_ms) / 1_000
    told = {"stage": "total", "profile": "clinic"}
    assert made.value("voice_turn_latency_seconds_sum", **told) == pytest.approx(measured_s, abs=0.04)
    assert made.value("voice_turn_latency_seconds_count", **told) == 1
    assert made.value("voice_turns_total", profile="clinic", origin="speech") == 1
    assert made.value("voice_sessions_ended_total", cause="caller_hung_up") == 1


def test_the_stop_that_is_measured_is_the_one_in_the_recording() -> None:
    node = ScriptedInference(Behaviour(replies=[LONG, "Fine."]))
    made = run_virtual(call(node, speech(1.0), speech(1.0), overlap_s=2.0))
    onset_ms = made.edge.files[1].start_samples / 16
    heard_s = (made.agent_spans_ms[0][1] - onset_ms) / 1_000
    assert made.value("voice_barge_in_stop_seconds_count") == 1
    assert made.value("voice_barge_in_stop_seconds_sum") == pytest.approx(heard_s, abs=0.04)
    assert made.value("voice_barge_in_decisions_total", outcome="confirmed", cause="words") == 1


def test_a_voice_that_is_slower_than_speech_leaves_gaps() -> None:
    sentences = Behaviour(replies=["One two three. Four five six. Seven eight nine."], synthesis_s=1.5)
    slow = run_virtual(call(ScriptedInference(sentences), speech(1.0)))
    gaps_ms = [later[0] - earlier[1] for earlier, later in pairwise(slow.agent_spans_ms)]
    assert slow.value("voice_audio_gap_seconds_count") == len(gaps_ms) > 0
    assert slow.value("voice_audio_gap_seconds_sum") == pytest.approx(sum(gaps_ms) / 1_000, abs=0.05)
    fast = run_virtual(call(ScriptedInference(), speech(1.0)))
    assert fast.value("voice_audio_gap_seconds_count") == 0
