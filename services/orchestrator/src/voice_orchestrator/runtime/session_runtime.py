"""Runs one session: the pure core, and around it the tasks that bring it events and execute its commands."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from traceback import clear_frames
from typing import Any, Final

import structlog

from voice_contract.audio import SAMPLE_BYTES, ms_from_samples
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import (
    CallAccepted,
    CallEnded,
    CallOpen,
    EndCause,
    PlayoutFlush,
    PlayoutPause,
    PlayoutResume,
    WorkTiming,
)
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.inference_link import InferenceLink
from voice_orchestrator.runtime.inference_outbox import CALLER_SOUND_MS_MAX, CONTROL_MESSAGES_MAX
from voice_orchestrator.runtime.mailbox import MAILBOX_EVENTS_MAX, Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.monitor import Monitor
from voice_orchestrator.runtime.output_buffer import HELD_SAMPLES_MAX, OutputBuffer
from voice_orchestrator.runtime.ports import (
    EdgePort,
    InferenceConnector,
    JournalSink,
    Observer,
    PreparedLines,
    ToolPort,
)
from voice_orchestrator.runtime.receive_pump import ReceivePump
from voice_orchestrator.runtime.send_pump import CONTROL_EVENTS_MAX, SendPump
from voice_orchestrator.runtime.session_reading import QueueReading, SessionReading, SoundDrop
from voice_orchestrator.runtime.sound_watch import SoundWatch
from voice_orchestrator.runtime.tool_runner import NoTools, ToolRunner
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.policy import SessionPolicy
from voice_orchestrator.session.reducer import reduce
from voice_orchestrator.session.speech import sound_kept_from
from voice_orchestrator.session.state import SessionState, initial_state

FINISH_DEADLINE_S: Final = 0.5
"""How long a session that is over waits for the edge to take its last events."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOutcome:
    """How a session ended. `counters`: what was ignored or dropped, by reason."""

    cause: EndCause
    failure: Failure | None
    counters: dict[str, int]


class NothingPrepared:
    """Implements PreparedLines."""

    def sound(self, text: str) -> bytes | None:
        """See PreparedLines."""
        del text
        return None


class SessionRuntime:
    """One session. `run` once. `tools` None: the agent has none; otherwise they are closed with the session."""

    def __init__(
        self,
        session_id: str,
        policy: SessionPolicy,
        edge: EdgePort,
        connector: InferenceConnector,
        clock: SessionClock,
        journal: JournalSink,
        observers: Sequence[Observer] = (),
        tools: ToolPort | None = None,
        prepared: PreparedLines | None = None,
    ) -> None:
        self._session_id = session_id
        self._state = initial_state(policy)
        self._edge = edge
        self._clock = clock
        self._prepared = prepared or NothingPrepared()
        self._journal = journal
        self._observers = tuple(observers)
        self._mailbox = Mailbox()
        self._buffer = OutputBuffer()
        self._ignored: Counter[str] = Counter()
        self._named = (0, 0)
        media = MediaClock()
        self._pump = SendPump(edge, self._buffer, self._mailbox, clock)
        self._link = InferenceLink(session_id, connector, self._mailbox, clock, media, self._buffer, self._pump)
        self._sound_watch = SoundWatch(self._mailbox, clock, media)
        self._receive_pump = ReceivePump(edge, self._link, self._mailbox, clock, media, self._sound_watch)
        self._tools = ToolRunner(session_id, tools or NoTools(), self._mailbox, clock)
        self._monitor = Monitor(self._mailbox, clock, self._pump, journal)

    @property
    def node(self) -> str:
        """Address of the inference node the session is on; empty while it has none."""
        return self._link.node

    def reading(self) -> SessionReading:
        """How full its queues are, and what they have dropped."""
        queues = (
            ("mailbox_events", self._mailbox.depth, MAILBOX_EVENTS_MAX),
            ("edge_control_events", self._pump.waiting_controls, CONTROL_EVENTS_MAX),
            ("node_control_messages", self._link.waiting_controls, CONTROL_MESSAGES_MAX),
            ("caller_sound_ms", self._link.waiting_ms, CALLER_SOUND_MS_MAX),
            ("agent_sound_ms", ms_from_samples(self._buffer.held_samples), ms_from_samples(HELD_SAMPLES_MAX)),
        )
        return SessionReading(
            queues=tuple(QueueReading(queue=name, depth=depth, limit=limit) for name, depth, limit in queues),
            sound_dropped={
                SoundDrop.CALLER_LATE: self._link.late_samples,
                SoundDrop.AGENT_RUN_ENDED: self._buffer.dropped_samples,
            },
            heartbeats_missed=self._link.heartbeats_missed,
        )

    def request_shutdown(self) -> None:
        """Ends the call politely; to be called on the session's event loop."""
        if not self._mailbox.put_now(events.ShutdownRequested(at_ms=self._clock.now_ms())):
            log.error("shutdown_request_lost", session=self._session_id, reason="the mailbox is full")

    async def run(self, opened: CallOpen) -> SessionOutcome:
        """Serves the call until its end; nothing of the session is left when it returns.

        A cancellation ends the call as a shutdown does, then goes on upwards.
        """
        self._pump.put(CallAccepted(caller_format=opened.caller_format, agent_format=opened.agent_format))
        first = events.CallOpened(
            at_ms=self._clock.now_ms(),
            listens=opened.caller_format is not None,
            speaks=opened.agent_format is not None,
        )
        if first.listens:
            self._sound_watch.listen()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._guarded(name, work), name=name)
                for name, work in (
                    ("receive_pump", self._receive_pump.run()),
                    ("sound_watch", self._sound_watch.run()),
                    ("send_pump", self._pump.run()),
                    ("inference_link", self._link.run()),
                    ("tool_runner", self._tools.run()),
                    ("monitor_timer", self._monitor.run_timer()),
                    ("monitor_heartbeat", self._monitor.run_heartbeat()),
                )
            ]
            try:
                end = await self._reduce_until_end(first)
                await self._finish(end)
            finally:
                self._name_work(0, 0)
                self._edge.close()
                for task in tasks:
                    task.cancel()
        return SessionOutcome(cause=end.cause, failure=end.failure, counters=self._counters())

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A task that breaks ends the call with a failure, not the process."""
        try:
            await work
        except asyncio.CancelledError as cancelled:
            # Frames of a TaskGroup that was cancelled refer to the error that refers to them: what the session had
            # would stay until the cyclic collector comes by.
            clear_frames(cancelled.__traceback__)
            raise
        except Exception as error:
            log.error("session_task_failed", task=name, exc_info=error, **_ids(*self._named))
            detail = f"{type(error).__name__} in {name}"
            await self._mailbox.put(events.ShellFailed(at_ms=self._clock.now_ms(), detail=detail))

    async def _reduce_until_end(self, first: events.SessionEvent) -> c.EndCall:
        event = first
        while True:
            try:
                end = self._step(event)
            except Exception as error:
                log.error("session_core_failed", exc_info=error)
                failure = Failure(
                    stage=Stage.SESSION,
                    reason=FailureReason.INTERNAL,
                    detail=f"{type(error).__name__} while handling {type(event).__name__}",
                )
                return c.EndCall(cause=EndCause.INTERNAL, failure=failure)
            if end is not None:
                return end
            try:
                event = await self._mailbox.get()
            except asyncio.CancelledError:
                end = self._step(events.ShutdownRequested(at_ms=self._clock.now_ms()))
                if end is not None:
                    await self._finish(end)
                raise

    def _step(self, event: events.SessionEvent) -> c.EndCall | None:
        """Reduces one event, journals it, then executes what it commands."""
        transition = reduce(self._state, event)
        self._state = state = transition.state
        self._name_work(_turn_of(state), 0 if state.run is None else state.run.id)
        self._journal.record(event, transition)
        if transition.ignored is not None:
            self._ignored[f"ignored_{transition.ignored}"] += 1
        for observer in self._observers:
            observer.on_transition(event, transition)
        end = None
        for command in transition.commands:
            if isinstance(command, c.EndCall):
                end = command
            else:
                self._execute(command)
        self._link.keep_sound_from(sound_kept_from(self._state))
        self._pump.wake()
        self._monitor.arm(next_deadline(self._state))
        return end

    def _name_work(self, turn: int, run: int) -> None:
        """From now on lines this task logs, and those of tools it starts, name this turn and this run; 0: none."""
        if (turn, run) == self._named:
            return
        self._named = (turn, run)
        structlog.contextvars.unbind_contextvars("turn", "run")
        structlog.contextvars.bind_contextvars(**_ids(turn, run))

    def _execute(self, command: c.Command) -> None:
        match command:
            case c.ToInference(message=message, run_id=run_id):
                self._link.send(message, run_id)
            case c.ToEdge(message=edge_message, run_id=run_id):
                _log_if_failure(edge_message, run_id)
                self._pump.put(edge_message, run_id)
            case c.ConnectInference():
                self._link.connect(command)
            case c.SpeakPrepared():
                self._speak_prepared(command)
            case c.CallTool():
                self._tools.start(command)
            case c.EndCall():
                raise AssertionError("EndCall is executed by the reducer loop")
            case _:
                self._execute_on_sound(command)

    def _execute_on_sound(self, command: c.SoundCommand) -> None:
        """What concerns the sound of a run on its way to the edge."""
        match command:
            case c.ReleaseRun(run_id=run_id):
                self._buffer.release(run_id)
            case c.PauseRun(run_id=run_id):
                self._buffer.pause(run_id)
                self._pump.put(PlayoutPause(), run_id)
            case c.ResumeRun(run_id=run_id):
                self._pump.put(PlayoutResume(), run_id)
                self._buffer.release(run_id)
            case c.FlushRun(run_id=run_id):
                self._buffer.end(run_id)
                self._pump.put(PlayoutFlush(), run_id)
            case c.DropRun(run_id=run_id):
                self._buffer.end(run_id)
            case c.CloseRun(run_id=run_id):
                self._buffer.close(run_id)

    def _speak_prepared(self, command: c.SpeakPrepared) -> None:
        """The whole of a run's sound is at hand; the core is told as a node would tell it."""
        at_ms, run_id = self._clock.now_ms(), command.run_id
        pcm = self._prepared.sound(command.text)
        if pcm is None or not self._buffer.append(run_id, 0, pcm):
            reason, detail = FailureReason.EMPTY_RESULT, "no sound was prepared for the line"
            told: list[events.SessionEvent] = [
                events.RunFailed(at_ms=at_ms, run_id=run_id, stage=Stage.TTS, reason=reason, detail=detail)
            ]
        else:
            self._buffer.end_segment(run_id, 0)
            told = [
                events.SegmentSounded(at_ms=at_ms, run_id=run_id, segment_index=0),
                events.SegmentSynthesised(
                    at_ms=at_ms,
                    run_id=run_id,
                    segment_index=0,
                    total_samples=len(pcm) // SAMPLE_BYTES,
                    word_ends=(),
                    timing=WorkTiming(),
                ),
            ]
        for event in told:
            if not self._mailbox.put_now(event):
                log.error("prepared_line_lost", run=run_id, reason="the mailbox is full")

    async def _finish(self, end: c.EndCall) -> None:
        """Tells both sides that the session is over; neither can hold it up."""
        await self._link.close()
        try:
            async with asyncio.timeout(FINISH_DEADLINE_S):
                await self._pump.finish(CallEnded(cause=end.cause, failure=end.failure))
        except TimeoutError:
            log.warning("edge_did_not_take_call_ended")

    def _counters(self) -> dict[str, int]:
        counters = dict(sorted(self._ignored.items()))
        counters["caller_samples_dropped"] = self._link.dropped_samples
        counters["agent_samples_dropped"] = self._buffer.dropped_samples
        return counters


def _turn_of(state: SessionState) -> int:
    """The turn that is being taken or answered, 0 for none."""
    if state.turn is not None:
        return state.turn.id
    return 0 if state.run is None else state.run.turn_id


def _ids(turn: int, run: int) -> dict[str, int]:
    """Those that are there, as log lines name them."""
    return {name: number for name, number in (("turn", turn), ("run", run)) if number}


def _log_if_failure(message: c.EdgeMessage, run_id: int) -> None:
    """Logs a failure the call survives, under its own reason code."""
    if not isinstance(message, Failure):
        return
    log.info(
        "failure",
        stage=message.stage.value,
        reason=message.reason.value,
        detail=message.detail,
        **_ids(message.utterance_id, run_id),
    )
