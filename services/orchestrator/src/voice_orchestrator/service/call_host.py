"""Hosts calls: the one way from an edge's stream to a session and its end, whoever brings the stream.

    receive call_open -> find the profile -> take a seat -> run the session -> keep its records -> give the seat back

The gRPC service, and the `call` and `chat` commands without a server, bring their streams here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

import structlog

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import CallEnded, CallOpen, EndCause
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.clock import SessionClock, wall_time
from voice_orchestrator.runtime.ports import (
    EdgeGoneError,
    EdgePort,
    InferenceConnector,
    JournalSink,
    Observer,
    PreparedLines,
    ToolPort,
)
from voice_orchestrator.runtime.session_runtime import NothingPrepared, SessionOutcome, SessionRuntime
from voice_orchestrator.service.admission import Admission, Refusal
from voice_orchestrator.service.directory import NodeInfo, ProfileInfo, SessionInfo, profile_info
from voice_orchestrator.service.live_session import LiveSession
from voice_orchestrator.service.measured_edge import MeasuredEdge
from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.service.session_metrics import SessionMetrics
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.traces.session_traces import SessionTraces
from voice_orchestrator.traces.spans import TraceSink

END_DEADLINE_S: Final = 3.0
"""How long calls that are ended by a drain may take to say so."""

log = structlog.get_logger(__name__)


class CallRecords(Protocol):
    """What is kept of one call. Everything here is quick; files are written elsewhere."""

    @property
    def journal(self) -> JournalSink:
        """Keeps every step."""

    @property
    def tools(self) -> ToolPort | None:
        """The agent's tools, None when it has none."""

    @property
    def observers(self) -> Sequence[Observer]:
        """Are told of every step."""

    def watch(self, edge: EdgePort) -> EdgePort:
        """The edge as the session is to use it, so that what crosses it can be kept."""

    async def close(self, outcome: SessionOutcome | None) -> None:
        """The call is over; `outcome` None: it broke. Never raises."""


class RecordKeeper(Protocol):
    """Begins records."""

    async def begin(
        self, session_id: str, profile: LoadedProfile, policy: SessionPolicy, opened: CallOpen, clock: SessionClock
    ) -> CallRecords:
        """The records of a call that begins now; raises OSError when there is no place for any."""


class Connectors(Protocol):
    """Ways to inference nodes."""

    def connector(self, clock: SessionClock) -> InferenceConnector:
        """The one of a session."""

    @property
    def placed(self) -> int:
        """Sessions that have a node."""

    def room(self) -> int | None:
        """Sessions the nodes take; None when none is known to be there."""

    def nodes(self) -> tuple[NodeInfo, ...]:
        """The nodes that are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingCall:
    """A stream that wants to become a call. `peer`: who brings it, as far as limits go."""

    edge: EdgePort
    session_id: str
    peer: str
    clock: SessionClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """What became of a call. `refusal`: it was not taken; `outcome` None: it was not, or the edge never opened it."""

    session_id: str
    outcome: SessionOutcome | None = None
    refusal: Refusal | None = None


class CallHost:
    """Implements SessionDirectory."""

    def __init__(
        self,
        profiles: Mapping[str, LoadedProfile],
        connectors: Connectors,
        keeper: RecordKeeper,
        *,
        slots: int,
        slots_per_peer: int,
        lines: Callable[[str], PreparedLines] = lambda profile: NothingPrepared(),
        metrics: ServiceMetrics | None = None,
        traces: TraceSink | None = None,
    ) -> None:
        self._profiles = profiles
        self._connectors = connectors
        self._keeper = keeper
        self._lines = lines
        self._metrics = metrics
        self._traces = traces
        self._live: dict[str, LiveSession] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.admission = Admission(slots, slots_per_peer, self._room)

    def _policy(self, profile: LoadedProfile) -> SessionPolicy:
        """The profile's; without the line for a lost node as long as nobody has spoken it."""
        policy = policy_of(profile.profile)
        if self._lines(profile.name).sound(policy.recovery.node_lost) is None:
            return replace(policy, recovery=replace(policy.recovery, node_lost=""))
        return policy

    def _room(self) -> int | None:
        """What the nodes have left once every session that has a seat is placed."""
        room = self._connectors.room()
        return None if room is None else room - (self.admission.taken - self._connectors.placed)

    # --- hosting

    async def host(self, call: IncomingCall) -> Hosted:
        """Serves the call of one stream to its end, and closes the stream."""
        edge, session_id, peer = call.edge, call.session_id, call.peer
        try:
            opened = await receive_open(edge)
            profile = self._profiles.get(opened.profile)
            refusal = self.admission.take(peer) if profile is not None else _unknown_profile(opened.profile)
            if refusal is not None or profile is None:
                return await self._refuse(edge, session_id, refusal)
        except EdgeGoneError as error:
            log.info("edge_gone_before_the_call", detail=str(error), session=session_id)
            edge.close()
            return Hosted(session_id=session_id)
        self._idle.clear()
        try:
            return await self._serve(call, profile, opened)
        finally:
            self.admission.give_back(peer)
            if not self.admission.taken:
                self._idle.set()

    async def _serve(self, call: IncomingCall, profile: LoadedProfile, opened: CallOpen) -> Hosted:
        edge, session_id = call.edge, call.session_id
        policy = self._policy(profile)
        try:
            records = await self._keeper.begin(session_id, profile, policy, opened, call.clock)
        except OSError as error:
            log.error("no_place_for_records", detail=str(error), session=session_id)
            detail = f"no place for the records of a call: {error.strerror or error}"
            failure = Failure(stage=Stage.SESSION, reason=FailureReason.OVERLOADED, detail=detail)
            return await self._refuse(edge, session_id, Refusal(failure=failure))
        outcome = None
        try:
            outcome = await self._run(records, call, profile.name, policy, opened)
        finally:
            await asyncio.shield(records.close(outcome))
        return Hosted(session_id=session_id, outcome=outcome)

    async def _run(
        self, records: CallRecords, call: IncomingCall, profile: str, policy: SessionPolicy, opened: CallOpen
    ) -> SessionOutcome:
        session_id, peer, now = call.session_id, call.peer, wall_time()
        live = LiveSession(session_id, profile, peer, now, lambda: runtime.node, lambda: runtime.request_shutdown())
        edge, observers = records.watch(call.edge), [*records.observers, live]
        measured = SessionMetrics(self._metrics, profile) if self._metrics is not None else None
        if measured is not None:
            edge = MeasuredEdge(edge, measured, call.clock)
            observers.append(measured)
        traced = None
        if self._traces is not None:
            began_at = now - timedelta(milliseconds=call.clock.now_ms())
            traced = SessionTraces(session_id, profile, began_at, self._traces, lambda: runtime.node)
            observers.append(traced)
        runtime = SessionRuntime(
            session_id,
            policy,
            edge,
            self._connectors.connector(call.clock),
            call.clock,
            records.journal,
            observers,
            records.tools,
            self._lines(profile),
        )
        if measured is not None:
            measured.attach(runtime.reading)
        self._live[session_id] = live
        outcome = None
        with structlog.contextvars.bound_contextvars(session=session_id):
            log.info("call_began", profile=profile, peer=peer)
            try:
                outcome = await runtime.run(opened)
                reason = outcome.failure.reason.value if outcome.failure else ""
                log.info("call_ended", cause=outcome.cause.value, reason=reason)
            finally:
                del self._live[session_id]
                live.over()
                if measured is not None:
                    measured.close(outcome.cause if outcome is not None else EndCause.INTERNAL)
                if traced is not None:
                    traced.close()
        return outcome

    async def _refuse(self, edge: EdgePort, session_id: str, refusal: Refusal | None) -> Hosted:
        assert refusal is not None, "a call is refused for a reason"
        if self._metrics is not None:
            self._metrics.session_refused(refusal.failure.reason)
        failure = refusal.failure
        log.info("call_refused", reason=failure.reason.value, detail=failure.detail, session=session_id)
        ended = CallEnded(cause=EndCause.REFUSED, failure=failure, retry_after_ms=refusal.retry_after_ms)
        with suppress(EdgeGoneError):
            await edge.send(ended)
        edge.close()
        return Hosted(session_id=session_id, refusal=refusal)

    # --- ending

    async def drain(self, limit_s: float) -> int:
        """Takes no new call, lets the running ones finish for at most `limit_s`, ends the rest; gives their number."""
        self.admission.draining = True
        if await self._wait_idle(limit_s):
            return 0
        left = len(self._live)
        log.warning("calls_ended_by_drain", sessions=left)
        for session in tuple(self._live.values()):
            session.end()
        await self._wait_idle(END_DEADLINE_S)
        return left

    async def _wait_idle(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    # --- SessionDirectory

    @property
    def accepting(self) -> bool:
        """See SessionDirectory."""
        return not self.admission.draining and self._connectors.room() is not None

    @property
    def slots(self) -> int:
        """See SessionDirectory."""
        return self.admission.slots

    def sessions(self) -> tuple[SessionInfo, ...]:
        """See SessionDirectory."""
        return tuple(session.info() for session in self._live.values())

    def find(self, session_id: str) -> SessionInfo | None:
        """See SessionDirectory."""
        session = self._live.get(session_id)
        return session.info() if session is not None else None

    def hang_up(self, session_id: str) -> bool:
        """See SessionDirectory."""
        session = self._live.get(session_id)
        if session is None:
            return False
        session.end()
        return True

    def profiles(self) -> tuple[ProfileInfo, ...]:
        """See SessionDirectory."""
        return tuple(profile_info(self._profiles[name]) for name in sorted(self._profiles))

    def nodes(self) -> tuple[NodeInfo, ...]:
        """See SessionDirectory."""
        return self._connectors.nodes()


def _unknown_profile(name: str) -> Refusal:
    # The name is a peer's; only what can stand in a file name is repeated.
    shown = "".join(letter for letter in name if letter.isalnum() or letter in "_-.")[:64]
    detail = f"there is no profile {shown!r} here"
    return Refusal(failure=Failure(stage=Stage.SESSION, reason=FailureReason.PROFILE_INVALID, detail=detail))
