"""A session driven by hand: a few words for what happens, and what the core commanded."""

from typing import Any, TypeVar

from voice_contract.audio import SAMPLES_PER_MS
from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import FinishReason, Phase, ToolDeclaration, TranscribeKind, WorkTiming
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.policy import (
    CallLimits,
    InterruptionPolicy,
    RecoveryLines,
    SessionPolicy,
    ToolPolicy,
    TurnTakingPolicy,
)
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import SessionState, initial_state

M = TypeVar("M")

NO_COST = WorkTiming()
QUIET_TURNS = TurnTakingPolicy(min_delay_ms=500, max_delay_ms=500, partial_interval_ms=0, preemptive_generation=False)
PLAIN_INTERRUPTIONS = InterruptionPolicy(echo_guard_ms=0)


def policy(**changes: Any) -> SessionPolicy:
    """A policy without greeting, partials, speculation and echo guard, for which every pause of half a second ends a
    turn: a script says only what it is about.
    """
    defaults: dict[str, Any] = {
        "system_text": "Be brief.",
        "turn_taking": QUIET_TURNS,
        "interruptions": PLAIN_INTERRUPTIONS,
    }
    return SessionPolicy(**{**defaults, **changes})


class Script:
    """Feeds events to the reducer at a time that only moves forward."""

    def __init__(self, session_policy: SessionPolicy | None = None) -> None:
        self.state: SessionState = initial_state(session_policy or policy())
        self.now_ms = 0
        self.log: list[tuple[e.SessionEvent, Transition]] = []

    # --- feeding

    def feed(self, event: e.SessionEvent) -> tuple[c.Command, ...]:
        """Reduces an event; gives its commands."""
        transition = reduce(self.state, event)
        self.state = transition.state
        self.log.append((event, transition))
        return transition.commands

    def do(self, event: type[e.SessionEvent], /, **fields: Any) -> tuple[c.Command, ...]:
        """Reduces an event of this type that happens now."""
        return self.feed(event(at_ms=self.now_ms, **fields))

    def after(self, ms: int) -> "Script":
        """Lets time pass without Ticks."""
        self.now_ms += ms
        return self

    def wait(self, ms: int) -> tuple[c.Command, ...]:
        """Lets time pass and brings every Tick that falls due; gives all their commands."""
        until = self.now_ms + ms
        commands: list[c.Command] = []
        while (due := next_deadline(self.state)) is not None and due <= until:
            self.now_ms = max(self.now_ms, due)
            commands += self.do(e.Tick)
        self.now_ms = until
        return tuple(commands)

    @property
    def ignored(self) -> str | None:
        """Why the last event did nothing."""
        return self.log[-1][1].ignored

    def where(self) -> Phase:
        """Where the session stands."""
        return self.state.phase

    def all(self, kind: type[M]) -> list[M]:
        """Every command, or message inside a command, of `kind` so far."""
        found: list[M] = []
        for _, transition in self.log:
            found += only(transition.commands, kind)
        return found

    # --- what happens often

    def open(
        self, *, listens: bool = True, speaks: bool = True, scores: bool = False, scores_words: bool = False
    ) -> "Script":
        """The call is open and the node is ready."""
        self.do(e.CallOpened, listens=listens, speaks=speaks)
        self.do(e.InferenceReady, scores_end_of_turn=scores, scores_words=scores_words)
        return self

    def start_speaking(self) -> tuple[c.Command, ...]:
        """VAD hears the caller; the onset was 60 ms ago."""
        spoken = max(0, self.now_ms - 60)
        return self.do(e.SpeechStarted, offset_samples=spoken * SAMPLES_PER_MS, spoken_at_ms=spoken)

    def stop_speaking(self) -> tuple[c.Command, ...]:
        """VAD hears that the caller fell silent 200 ms ago."""
        spoken = max(0, self.now_ms - 200)
        return self.do(e.SpeechEnded, offset_samples=spoken * SAMPLES_PER_MS, spoken_at_ms=spoken)

    def falter(self) -> tuple[c.Command, ...]:
        """VAD is not sure any more that the caller speaks."""
        return self.do(e.SpeechFaltered, offset_samples=self.now_ms * SAMPLES_PER_MS)

    def transcribed(
        self,
        text: str,
        *,
        log_probability: float = -0.2,
        no_speech: float = 0.1,
        continuation: float = 0.0,
        final: bool = True,
    ) -> tuple[c.Command, ...]:
        """The newest transcription is answered."""
        turn = self.state.turn
        assert turn is not None, "no turn is open"
        return self.do(
            e.CallerTranscribed,
            utterance_id=turn.id,
            revision=turn.revision,
            kind=TranscribeKind.FINAL if final else TranscribeKind.PARTIAL,
            text=text,
            mean_log_probability=log_probability,
            no_speech_probability=no_speech,
            timing=NO_COST,
            continuation_probability=continuation,
        )

    def score(self, probability: float) -> tuple[c.Command, ...]:
        """The pause is judged."""
        return self._judged(e.EndOfTurnScored, probability)

    def words_score(self, probability: float) -> tuple[c.Command, ...]:
        """The words of the pause are judged."""
        return self._judged(e.WordsScored, probability)

    def _judged(self, kind: type[e.EndOfTurnScored | e.WordsScored], probability: float) -> tuple[c.Command, ...]:
        turn = self.state.turn
        assert turn is not None, "no turn is open"
        return self.do(
            kind, utterance_id=turn.id, revision=turn.final_revision, probability=probability, timing=NO_COST
        )

    def key(self, key: str) -> tuple[c.Command, ...]:
        """The caller presses a key of the telephone."""
        return self.do(e.CallerKeyed, key=key)

    def press(self) -> tuple[c.Command, ...]:
        """The caller presses the button to talk."""
        return self.do(e.TalkPressed, offset_samples=self.now_ms * SAMPLES_PER_MS, spoken_at_ms=self.now_ms)

    def let_go(self) -> tuple[c.Command, ...]:
        """The caller lets the button go."""
        return self.do(e.TalkReleased, offset_samples=self.now_ms * SAMPLES_PER_MS, spoken_at_ms=self.now_ms)

    def lose_node(self) -> tuple[c.Command, ...]:
        """The inference node is gone."""
        return self.do(e.InferenceLost, reason=FailureReason.INFERENCE_LOST, detail="gone")

    def ready(self) -> tuple[c.Command, ...]:
        """The next node took the session."""
        return self.do(e.InferenceReady, scores_end_of_turn=False)

    def say(self, text: str, ms: int = 1_000) -> "Script":
        """The caller says `text`, and it is transcribed and committed."""
        self.start_speaking()
        self.wait(ms)
        self.stop_speaking()
        self.transcribed(text)
        self.wait(self.state.policy.turn_taking.min_delay_ms - 200)
        return self

    @property
    def run_id(self) -> int:
        """The live run."""
        assert self.state.run is not None, "no run is live"
        return self.state.run.id

    def write(self, text: str, *, end: bool = False) -> tuple[c.Command, ...]:
        """The model writes."""
        commands = self.do(e.ReplyText, run_id=self.run_id, text=text)
        return commands + self.finish_writing() if end else commands

    def ask_tool(
        self, name: str = "slots", arguments: str = '{"day": "Friday"}', call_index: int = 0
    ) -> tuple[c.Command, ...]:
        """The model asks for a tool."""
        return self.do(e.ToolRequested, run_id=self.run_id, call_index=call_index, name=name, arguments=arguments)

    def finish_writing(self, reason: FinishReason = FinishReason.STOP) -> tuple[c.Command, ...]:
        """The model has written, or waits for its tools."""
        return self.do(
            e.ReplyEnded,
            run_id=self.run_id,
            reason=reason,
            prompt_tokens=10,
            cached_tokens=0,
            generated_tokens=5,
            timing=NO_COST,
        )

    def sound(self, index: int) -> tuple[c.Command, ...]:
        """The first sound of a segment comes."""
        return self.do(e.SegmentSounded, run_id=self.run_id, segment_index=index)

    def synthesise(
        self, index: int, samples: int = 16_000, *, word_ends: tuple[int, ...] = ()
    ) -> tuple[c.Command, ...]:
        """All sound of a segment is there."""
        return self.do(
            e.SegmentSynthesised,
            run_id=self.run_id,
            segment_index=index,
            total_samples=samples,
            timing=NO_COST,
            word_ends=word_ends,
        )

    def start(self, index: int) -> tuple[c.Command, ...]:
        """A segment begins to be heard."""
        return self.do(e.SegmentStarted, run_id=self.run_id, segment_index=index)

    def play(self, index: int) -> tuple[c.Command, ...]:
        """A segment has left completely."""
        return self.do(e.SegmentPlayed, run_id=self.run_id, segment_index=index)

    def report(self, run_id: int, samples: int) -> tuple[c.Command, ...]:
        """The edge says how much it played."""
        return self.do(e.PlayoutReported, run_id=run_id, played_samples=samples)

    def respond(self, text: str = "Of course I can.") -> "Script":
        """The reply is written, spoken and heard from its beginning, one segment."""
        self.write(text, end=True)
        self.sound(0)
        self.synthesise(0)
        self.start(0)
        return self

    def respond_silently(self, text: str = "Of course I can.") -> "Script":
        """The reply is written and synthesised, one segment; nothing of it is heard."""
        self.write(text, end=True)
        self.synthesise(0)
        return self

    def finish(self) -> "Script":
        """The reply is heard to its end."""
        run = self.state.run
        assert run is not None
        for index, segment in enumerate(run.segments):
            if not segment.started:
                self.start(index)
            if not segment.played:
                self.play(index)
        self.report(run.id, run.samples_known)
        return self

    def fail(self, stage: Stage, reason: FailureReason = FailureReason.ENGINE_ERROR) -> tuple[c.Command, ...]:
        """A stage of the run fails."""
        return self.do(e.RunFailed, run_id=self.run_id, stage=stage, reason=reason, detail="it broke")


def only(commands: tuple[c.Command, ...], kind: type[M]) -> list[M]:
    """The commands of `kind`, or the messages of `kind` inside them."""
    found: list[M] = []
    for command in commands:
        inside = command.message if isinstance(command, c.ToEdge | c.ToInference) else command
        if isinstance(inside, kind):
            found.append(inside)
        elif isinstance(command, kind):
            found.append(command)
    return found


def names(commands: tuple[c.Command, ...]) -> list[str]:
    """What was commanded, by name, in order."""
    return [
        type(command.message).__name__ if isinstance(command, c.ToEdge | c.ToInference) else type(command).__name__
        for command in commands
    ]


SILENT_RECOVERY = RecoveryLines(stt_failed="", no_words="", llm_failed="")
SPECULATIVE = TurnTakingPolicy(min_delay_ms=500, max_delay_ms=500, partial_interval_ms=0)
SLOTS = ToolPolicy(
    declarations=(ToolDeclaration(name="slots", description="Free appointments of a day.", parameters_schema="{}"),)
)
NO_INTERRUPTIONS = InterruptionPolicy(enabled=False)
SHORT_CALL = CallLimits(idle_ms=1_000, call_ms=5_000)
