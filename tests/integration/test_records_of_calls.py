"""What a server records of a call is what the caller's own telephone recorded: sound, words, report and journal."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import virtual_call
from support.call_records import STARTED_AT, header, limits, sound_of
from support.scripted_inference import Behaviour, ScriptedInference
from support.session_script import policy
from support.virtual_call import VirtualCall, make_call, speech
from support.virtual_time import run_virtual, virtual_clock

from voice_contract.messages import Event, Payload
from voice_orchestrator.edges.speaker import RunPlayed
from voice_orchestrator.records import call_record
from voice_orchestrator.records.call_files import ClosedRecord
from voice_orchestrator.records.entry import RecordState
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.records.tap import RecordingTap
from voice_orchestrator.reports.call_report import CallFacts, make_report
from voice_orchestrator.reports.transcript import make_transcript
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.edge_pair import EdgeEnd, edge_pair
from voice_orchestrator.runtime.replay import replay
from voice_orchestrator.session.policy import SessionPolicy

LONG = "One two three four five six seven eight nine ten. " * 3


class TappedEdge:
    """Implements EdgePort around a session's end of the stream, as a server does."""

    def __init__(self, end: EdgeEnd, tap: RecordingTap, clock: SessionClock) -> None:
        self._end = end
        self._tap = tap
        self._clock = clock

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        await self._end.send(payload, run_id)
        self._tap.on_sent(payload, run_id, self._clock.now_s())

    async def receive(self) -> Event:
        event = await self._end.receive()
        self._tap.on_received(event.payload, event.run_id, self._clock.now_s())
        return event

    def close(self) -> None:
        self._tap.finish(self._clock.now_s())
        self._end.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual calls take no time, so the disk is always far behind them."""
    monkeypatch.setattr(call_record, "WAITING_BYTES_MAX", 1 << 30)


def facts(call: VirtualCall, origin_ms: int) -> CallFacts:
    assert call.outcome is not None
    return CallFacts(
        session_id="abc123",
        profile="clinic",
        profile_sha256="0" * 64,
        started_at=STARTED_AT.isoformat(),
        cause=call.outcome.cause,
        failure=call.outcome.failure,
        origin_ms=origin_ms,
        node=None,
        counters=call.outcome.counters,
        files=(),
    )


def documents(call: VirtualCall, runs: Any, origin_ms: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return make_report(call.log, runs, facts(call, origin_ms)), make_transcript(call.log, runs, origin_ms)


def recorded(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    agent: SessionPolicy,
    make: Callable[[Any], Any],
    now: Callable[[], datetime] = lambda: STARTED_AT,
) -> tuple[VirtualCall, RecordingTap, ClosedRecord]:
    """Makes a call that is recorded on both ends."""
    store = RecordStore(root, limits(), now)
    record = store.open_call(header(session_policy=agent), "alice")
    tap = RecordingTap(record)

    def tapped(session_id: str, monotonic_us: Callable[[], int]) -> tuple[TappedEdge, EdgeEnd]:
        session_end, edge_end = edge_pair(session_id, monotonic_us)
        return TappedEdge(session_end, tap, virtual_clock()), edge_end

    monkeypatch.setattr(virtual_call, "edge_pair", tapped)
    call: VirtualCall = run_virtual(make(record.journal))

    async def close() -> ClosedRecord:
        closed = await record.close(*documents(call, tap.runs, tap.origin_ms))
        assert await store.close()
        return closed

    return call, tap, asyncio.run(close())


CALLS = {
    "two turns": (policy(greeting="Good morning to you."), (speech(1.0, 0.3), speech(1.2)), Behaviour(), None),
    "interrupted": (policy(), (speech(1.0), speech(1.0)), Behaviour(replies=[LONG, "Fine."]), 2.0),
    "coughed at": (
        policy(),
        (speech(1.0), speech(0.2)),
        Behaviour(transcripts=["Hello?", ""], replies=["One two three four five six seven."]),
        0.5,
    ),
}


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("kind", CALLS)
def test_both_ends_of_a_call_recorded_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    agent, sounds, behaviour, overlap_s = CALLS[kind]
    call, tap, closed = recorded(
        tmp_path,
        monkeypatch,
        agent,
        lambda journal: make_call(
            agent, sounds, ScriptedInference(behaviour), overlap_s=overlap_s, answer_wait_s=5.0, journal=journal
        ),
    )
    assert closed.folder is not None
    assert closed.entry.state is RecordState.CLOSED
    here, there = sound_of(closed.folder / "recording.wav"), call.recording.samples()
    length = min(len(here), len(there))
    assert abs(len(here) - len(there)) <= 320
    assert np.array_equal(here[:length], there[:length])
    assert not here[length:].any()
    assert not there[length:].any()
    assert there.any(axis=0).all()
    theirs: dict[int, RunPlayed] = call.edge.speaker.runs
    assert dict(tap.runs) == theirs
    report, transcript = documents(call, theirs, call.edge.origin_ms)
    assert json.loads((closed.folder / "report.json").read_bytes()) == json.loads(json.dumps(report))
    assert json.loads((closed.folder / "transcript.json").read_bytes()) == transcript
    assert replay(closed.folder / "journal.jsonl").identical
    assert replay(closed.folder / "journal.jsonl").whole
