"""Keeps the calls of a server: what crosses the edge's stream is recorded, what the core did is journaled and told."""

import asyncio
from collections.abc import Sequence

from voice_contract.messages import CallOpen, Event, Payload
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.records.call_record import CallRecord
from voice_orchestrator.records.store import RecordStore
from voice_orchestrator.records.tap import RecordingTap
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.reports.call_report import CallFacts, make_report
from voice_orchestrator.reports.transcript import make_transcript
from voice_orchestrator.runtime.clock import SessionClock, wall_time
from voice_orchestrator.runtime.journal import JournalHeader
from voice_orchestrator.runtime.ports import EdgePort, JournalSink, Observer, ToolPort
from voice_orchestrator.runtime.session_runtime import SessionOutcome
from voice_orchestrator.service.call_folder import tools_of
from voice_orchestrator.session.policy import SessionPolicy


class TappedEdge:
    """Implements EdgePort: the session's own, with a tap on what crosses it."""

    def __init__(self, edge: EdgePort, tap: RecordingTap, clock: SessionClock) -> None:
        self._edge = edge
        self._tap = tap
        self._clock = clock

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        await self._edge.send(payload, run_id)
        self._tap.on_sent(payload, run_id, self._clock.now_s())

    async def receive(self) -> Event:
        """See EdgePort."""
        event = await self._edge.receive()
        self._tap.on_received(event.payload, event.run_id, self._clock.now_s())
        return event

    def close(self) -> None:
        """See EdgePort."""
        self._tap.finish(self._clock.now_s())
        self._edge.close()


class StoredCall:
    """Implements CallRecords."""

    def __init__(self, record: CallRecord, header: JournalHeader, clock: SessionClock, tools: ToolPort | None) -> None:
        self._record = record
        self._header = header
        self._clock = clock
        self._tap = RecordingTap(record)
        self._log = CallLog()
        self.tools = tools

    @property
    def journal(self) -> JournalSink:
        """See CallRecords."""
        return self._record.journal

    @property
    def observers(self) -> Sequence[Observer]:
        """See CallRecords."""
        return (self._log,)

    def watch(self, edge: EdgePort) -> EdgePort:
        """See CallRecords."""
        return TappedEdge(edge, self._tap, self._clock)

    async def close(self, outcome: SessionOutcome | None) -> None:
        """See CallRecords."""
        self._tap.finish(self._clock.now_s())
        report = transcript = None
        if outcome is not None:
            # What reads the log runs beside the calls that go on; the log itself does not change any more.
            report, transcript = await asyncio.to_thread(self._documents, outcome)
        await self._record.close(report, transcript)

    def _documents(self, outcome: SessionOutcome) -> tuple[object, object]:
        facts = CallFacts(
            session_id=self._header.session_id,
            profile=self._header.profile,
            profile_sha256=self._header.profile_sha256,
            started_at=self._header.started_at.isoformat(),
            cause=outcome.cause,
            failure=outcome.failure,
            origin_ms=self._tap.origin_ms,
            node=None,
            counters=outcome.counters,
            files=(),
        )
        runs = self._tap.runs
        return make_report(self._log, runs, facts), make_transcript(self._log, runs, facts.origin_ms)


class StoreKeeper:
    """Implements RecordKeeper over a record store."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    async def begin(
        self, session_id: str, profile: LoadedProfile, policy: SessionPolicy, opened: CallOpen, clock: SessionClock
    ) -> StoredCall:
        """See RecordKeeper."""
        header = JournalHeader(
            session_id=session_id,
            profile=profile.name,
            profile_sha256=profile.sha256,
            started_at=wall_time(),
            policy=policy,
        )
        record = self._store.open_call(header, opened.caller_id or None)
        return StoredCall(record, header, clock, tools_of(profile.profile))
