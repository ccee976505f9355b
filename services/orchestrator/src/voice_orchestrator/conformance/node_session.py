"""A well-behaved orchestrator with one session on a node, and the long one that asks for everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from voice_contract.audio import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES
from voice_contract.codec import Peer
from voice_contract.failures import Failure
from voice_contract.messages import (
    Audio,
    AudioFormat,
    CancelRun,
    CancelTranscription,
    ChatMessage,
    ChatRole,
    EndOfTurnScored,
    Generate,
    GenerationEnded,
    PrimePrompt,
    RunStopped,
    ScoreEndOfTurn,
    ScoreWords,
    SessionClose,
    SessionConfigure,
    SessionReady,
    Speaker,
    SpeechStarted,
    SynthesisEnded,
    Synthesize,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
    VadSettings,
    WordsScored,
)
from voice_orchestrator.conformance.event_stream import EventStream, Target, open_events
from voice_orchestrator.conformance.findings import Ledger, Rule
from voice_orchestrator.conformance.node_rules import SESSION_RULES
from voice_orchestrator.conformance.stream_log import StreamLog

METHOD: Final = "/voice_agent.v1.Inference/Converse"
SESSION_ID: Final = "conformance"
CONFIGURE: Final = SessionConfigure(
    caller_format=AudioFormat(),
    agent_format=AudioFormat(),
    language="en-US",
    voice="",
    vad=VadSettings(activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=32, min_silence_ms=96),
)
QUESTION: Final = (
    ChatMessage(role=ChatRole.SYSTEM, text="You answer the telephone. Answer in one short sentence."),
    ChatMessage(role=ChatRole.USER, text="Hello. Are you open today?"),
)
SEGMENTS: Final = ("Yes, we are.", "We are open until five.")
LONG_TEXT: Final = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."

READY_S: Final = 3.0
TRANSCRIBED_S: Final = 15.0
WRITTEN_S: Final = 60.0
SPOKEN_S: Final = 30.0
STOPPED_S: Final = 5.0
CLOSED_S: Final = 2.0
LINGER_S: Final = 1.0
"""What must not come is waited for so long."""

QUIET_MS: Final = 500
"""Silence before and after what the caller says."""

ANSWERED_RUN, STOPPED_RUN, NEVER_RUN, FIRST_BARRIER = 1, 2, 900, 1_000

SAID: Final = Rule(name="understands_speech", says="speech is found in the sound and told in words")
ANSWERS: Final = Rule(name="answers_transcribe", says="a transcribe is answered unless it is superseded or cancelled")
GIVEN_UP: Final = Rule(
    name="gives_up", says="a transcription that was cancelled or superseded is not answered any more"
)
SCORED: Final = Rule(name="answers_score", says="a node that says it scores answers score_end_of_turn")
WORDS_SCORED: Final = Rule(name="answers_words", says="a node that says it scores words answers score_words")
WRITES: Final = Rule(name="answers_generate", says="generate is answered with text and generation_ended")
SPEAKS: Final = Rule(name="answers_synthesize", says="every synthesize is answered with sound and synthesis_ended")
STOPS: Final = Rule(name="answers_cancel", says="cancel_run in the middle of work is answered with run_stopped")
STOPS_UNKNOWN: Final = Rule(name="cancel_unknown", says="cancel_run of a run that never was is answered all the same")
STOPS_AGAIN: Final = Rule(name="cancel_again", says="every cancel_run is answered, a second one of a run too")
STAYS_DEAD: Final = Rule(name="late_command", says="a command for a run that was cancelled does nothing")
CLOSES: Final = Rule(name="session_close", says="session_close is answered by the end of the stream")

WORK_RULES: Final = (
    SAID, ANSWERS, GIVEN_UP, SCORED, WORDS_SCORED, WRITES, SPEAKS, STOPS, STOPS_UNKNOWN, STOPS_AGAIN, STAYS_DEAD,
    CLOSES,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What to check whom with. `speech`: 16,000 Hz s16le of a caller, empty: none is at hand."""

    target: Target
    speech: bytes = b""


def judge(log: StreamLog, ledger: Ledger) -> None:
    """Looks at a finished session with every rule that holds for any session."""
    for rule, look in SESSION_RULES:
        ledger.judge(rule.name, look(log))


def why_ended(log: StreamLog) -> str:
    """What is known of the end of a session, for people."""
    failed = log.all(Failure)
    if failed:
        return f"{failed[-1][0].reason.value}: {failed[-1][0].detail}"
    return f"{log.status} {log.details}".strip() or "nothing came"


@asynccontextmanager
async def session_of(plan: NodePlan, session_id: str = SESSION_ID) -> AsyncIterator[EventStream]:
    """A stream on which session_configure was sent, for the length of the block; raises UnreachableError."""
    async with open_events(plan.target, METHOD, Peer.INFERENCE, session_id) as stream:
        await stream.send(CONFIGURE)
        yield stream


async def is_ready(stream: EventStream) -> bool:
    """Waits until the node takes the session; False when it does not."""
    await stream.until(lambda: bool(stream.log.first(SessionReady) or stream.log.first(Failure)), READY_S)
    return stream.log.first(SessionReady) is not None


async def work(plan: NodePlan, ledger: Ledger) -> str:
    """A session that asks for everything; gives why there was none, empty when there was one."""
    async with session_of(plan) as stream:
        if not await is_ready(stream):
            judge(stream.log, ledger)
            return why_ended(stream.log)
        await _Work(plan, stream, ledger).run()
    judge(stream.log, ledger)
    return ""


class _Work:
    """The requests of the long session, one after the other."""

    def __init__(self, plan: NodePlan, stream: EventStream, ledger: Ledger) -> None:
        self._plan = plan
        self._stream = stream
        self._log = stream.log
        self._ledger = ledger
        self._sent_samples = 0
        self._barriers = FIRST_BARRIER

    async def run(self) -> None:
        """Asks for everything the contract has."""
        await self._hear()
        await self._transcribe()
        await self._give_up()
        await self._score()
        await self._score_words()
        await self._write()
        await self._speak()
        await self._stop()
        await self._stop_what_never_was()
        await self._close()

    async def _say(self, sound: bytes) -> None:
        """Sends caller sound at the pace at which it is spoken."""
        clock, first = self._plan.target.clock, self._sent_samples
        began_s = clock.now_s()
        for at in range(0, len(sound), FRAME_BYTES):
            frame = sound[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
            await self._stream.send(Audio(pcm=frame, offset_samples=self._sent_samples))
            self._sent_samples += FRAME_SAMPLES
            await clock.sleep_until_s(began_s + (self._sent_samples - first) / AudioFormat().sample_rate_hz)

    async def _hear(self) -> None:
        quiet = bytes(FRAME_BYTES * (QUIET_MS // FRAME_MS))
        await self._say(quiet + self._plan.speech + quiet)

    async def _transcribe(self) -> None:
        for revision, kind in ((1, TranscribeKind.PARTIAL), (2, TranscribeKind.FINAL)):
            await self._stream.send(self._asking(1, revision, kind))
            if not await self._answered(1, revision):
                self._ledger.fail(ANSWERS.name, f"a {kind.value} one was not: {why_ended(self._log)}")
                return
        self._ledger.keep(ANSWERS.name, "a partial and a final one")
        text = self._caller_words()[-1].text
        if not self._plan.speech:
            self._ledger.skip(SAID.name, "--speech names no recording")
        elif self._log.first(SpeechStarted) is None:
            self._ledger.fail(SAID.name, "no speech_started came")
        else:
            self._ledger.decide(SAID.name, bool(text), f"understood as {text!r}", "no words were told")

    def _asking(self, utterance_id: int, revision: int, kind: TranscribeKind = TranscribeKind.FINAL) -> Transcribe:
        return Transcribe(
            utterance_id=utterance_id,
            revision=revision,
            kind=kind,
            start_offset_samples=0,
            end_offset_samples=self._sent_samples,
        )

    def _caller_words(self) -> list[Transcript]:
        return [said for said, _ in self._log.all(Transcript) if said.speaker is Speaker.CALLER]

    async def _answered(self, utterance_id: int, revision: int) -> bool:
        """Waits for the words of a request; False when it failed."""

        def came() -> bool:
            return any((said.utterance_id, said.revision) == (utterance_id, revision) for said in self._caller_words())

        def failed() -> bool:
            return any(failure.utterance_id == utterance_id for failure, _ in self._log.all(Failure))

        await self._stream.until(lambda: came() or failed(), TRANSCRIBED_S)
        return came()

    async def _barrier(self) -> int:
        """Returns when the node has read all that was sent before; gives how many events had come by then."""
        self._barriers += 1
        run_id = self._barriers
        await self._stream.send(CancelRun(), run_id)
        await self._stopped(run_id, 1)
        return len(self._log.seen)

    async def _give_up(self) -> None:
        """Requests that are superseded or cancelled at once; what is answered after the node knows, is wrong."""
        await self._stream.send(self._asking(2, 1))
        await self._stream.send(self._asking(2, 2))
        await self._stream.send(self._asking(3, 1))
        await self._stream.send(CancelTranscription(utterance_id=3))
        known = await self._barrier()
        await self._answered(2, 2)
        await self._stream.send(self._asking(4, 1))
        await self._answered(4, 1)
        late = [
            (said.utterance_id, said.revision)
            for seen in self._log.seen[known:]
            if isinstance(said := seen.event.payload, Transcript)
            and (said.utterance_id, said.revision) in ((2, 1), (3, 1))
        ]
        self._ledger.decide(GIVEN_UP.name, not late, "one of each", f"turn and revision {late} were answered")

    async def _score(self) -> None:
        ready = self._log.first(SessionReady)
        if ready is None or not ready[0].scores_end_of_turn:
            self._ledger.skip(SCORED.name, "the node says that it does not score")
            return
        ask = ScoreEndOfTurn(utterance_id=1, revision=1, start_offset_samples=0, end_offset_samples=self._sent_samples)
        await self._stream.send(ask)
        kept = await self._stream.until_seen(EndOfTurnScored, TRANSCRIBED_S)
        self._ledger.decide(SCORED.name, kept, "one was", f"no score came: {why_ended(self._log)}")

    async def _score_words(self) -> None:
        ready = self._log.first(SessionReady)
        if ready is None or not ready[0].scores_words:
            self._ledger.skip(WORDS_SCORED.name, "the node says that it does not score words")
            return
        await self._stream.send(ScoreWords(utterance_id=1, revision=1, messages=QUESTION))
        kept = await self._stream.until_seen(WordsScored, TRANSCRIBED_S)
        self._ledger.decide(WORDS_SCORED.name, kept, "they were", f"no score came: {why_ended(self._log)}")

    async def _write(self) -> None:
        await self._stream.send(PrimePrompt(messages=QUESTION[:1]))
        await self._stream.send(_reply(24), ANSWERED_RUN)
        ended = await self._stream.until_seen(GenerationEnded, WRITTEN_S)
        text = "".join(said.text for said, _ in self._log.all(Transcript) if said.kind is TranscriptKind.DELTA)
        kept = ended and bool(text.strip())
        self._ledger.decide(WRITES.name, kept, f"{len(text)} characters", f"no reply came: {why_ended(self._log)}")

    async def _speak(self) -> None:
        for index, text in enumerate(SEGMENTS):
            await self._stream.send(Synthesize(segment_index=index, text=text, speaking_rate=1.0), ANSWERED_RUN)
        kept = await self._stream.until(lambda: len(self._log.all(SynthesisEnded)) == len(SEGMENTS), SPOKEN_S)
        samples = sum(ended.total_samples for ended, _ in self._log.all(SynthesisEnded))
        self._ledger.decide(
            SPEAKS.name, kept and samples > 0, f"{samples} samples", f"no sound came: {why_ended(self._log)}"
        )

    async def _stop(self) -> None:
        """Cancels a run while it is written and spoken; commands for it that come later do nothing."""
        await self._stream.send(_reply(400), STOPPED_RUN)
        await self._stream.send(Synthesize(segment_index=0, text=LONG_TEXT, speaking_rate=1.0), STOPPED_RUN)
        await self._stream.until(lambda: self._work_of(STOPPED_RUN, 0) > 0, WRITTEN_S)
        await self._stream.send(CancelRun(), STOPPED_RUN)
        kept = await self._stopped(STOPPED_RUN, 1)
        since = len(self._log.seen)
        self._ledger.decide(STOPS.name, kept, "one was", f"no run_stopped within {STOPPED_S:g} s")
        await self._stream.send(_reply(24), STOPPED_RUN)
        await self._stream.send(Synthesize(segment_index=1, text=SEGMENTS[0], speaking_rate=1.0), STOPPED_RUN)
        woken = await self._stream.until(lambda: self._work_of(STOPPED_RUN, since) > 0, LINGER_S)
        self._ledger.decide(STAYS_DEAD.name, not woken, "nothing came", "it was worked on")

    def _work_of(self, run_id: int, since: int) -> int:
        """Pieces of text and sound of a run among the events from number `since` on."""
        return sum(
            each.event.run_id == run_id and isinstance(each.event.payload, Transcript | Audio)
            for each in self._log.seen[since:]
        )

    async def _stopped(self, run_id: int, times: int) -> bool:
        def came() -> bool:
            return sum(seen.event.run_id == run_id for _, seen in self._log.all(RunStopped)) >= times

        return await self._stream.until(came, STOPPED_S)

    async def _stop_what_never_was(self) -> None:
        for times, rule in ((1, STOPS_UNKNOWN), (2, STOPS_AGAIN)):
            await self._stream.send(CancelRun(), NEVER_RUN)
            kept = await self._stopped(NEVER_RUN, times)
            self._ledger.decide(rule.name, kept, "it was", f"no run_stopped within {STOPPED_S:g} s")

    async def _close(self) -> None:
        await self._stream.send(SessionClose())
        kept = await self._stream.until_over(CLOSED_S) and self._log.status == "OK"
        self._ledger.decide(
            CLOSES.name, kept, "the stream was closed", f"not within {CLOSED_S:g} s: {why_ended(self._log)}"
        )


def _reply(max_tokens: int) -> Generate:
    return Generate(messages=QUESTION, max_tokens=max_tokens, temperature=0.0, top_p=1.0)
