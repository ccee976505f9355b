"""What the caller did: stretches of speech, turns with the words as they became known, keys and the button."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voice_contract.messages import TranscribeKind
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.session import events
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import Turn
from voice_orchestrator.timeline.spans import Span, SpanTrack

SPEAKING, TRAILING, COMMITTED = "speaking", "trailing", "committed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardWords:
    """Words of a turn as speech recognition gave them. `used`: they were not too late."""

    at_ms: int
    kind: TranscribeKind
    text: str
    no_speech_probability: float
    used: bool


@dataclass(slots=True, kw_only=True)
class TurnStory:
    """One turn. `scores`: when it was judged to be over, how likely."""

    id: int
    states: SpanTrack = field(default_factory=SpanTrack)
    words: list[HeardWords] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)


class CallerStory:
    """Follows the caller step by step. `speech` is what VAD heard, `button` when the button to talk was pressed."""

    def __init__(self) -> None:
        self.turns: dict[int, TurnStory] = {}
        self._speech, self._button = SpanTrack(), SpanTrack()
        self._present: TurnStory | None = None

    @property
    def speech(self) -> list[Span]:
        """Stretches VAD took for speech, by the times at which they were spoken."""
        return self._speech.spans

    @property
    def button(self) -> list[Span]:
        """Stretches in which the button to talk was pressed."""
        return self._button.spans

    def follow(self, event: events.SessionEvent, transition: Transition, at_ms: int) -> None:
        """Takes the next step."""
        self._follow_turn(transition.state.turn, at_ms)
        match event:
            case events.SpeechStarted(spoken_at_ms=spoken_ms):
                self._speech.enter("speech", spoken_ms)
            case events.SpeechEnded(spoken_at_ms=spoken_ms) | events.CallerSoundLost(spoken_at_ms=spoken_ms):
                self._speech.enter(None, spoken_ms)
            case events.InferenceLost():
                self._speech.enter(None, at_ms)
            case events.TalkPressed(spoken_at_ms=spoken_ms):
                self._button.enter("pressed", spoken_ms)
            case events.TalkReleased(spoken_at_ms=spoken_ms):
                self._button.enter(None, spoken_ms)
            case events.CallerTranscribed() if event.utterance_id in self.turns:
                self.turns[event.utterance_id].words.append(_words(event, transition.ignored))
            case events.EndOfTurnScored() if event.utterance_id in self.turns and transition.ignored is None:
                self.turns[event.utterance_id].scores.append((at_ms, event.probability))
            case _:
                pass

    def close(self, at_ms: int) -> None:
        """The journal ends: what is still going on is drawn up to here."""
        self._follow_turn(None, at_ms)
        self._speech.enter(None, at_ms)
        self._button.enter(None, at_ms)

    def _follow_turn(self, turn: Turn | None, at_ms: int) -> None:
        if self._present is not None and (turn is None or turn.id != self._present.id):
            self._present.states.enter(None, at_ms)
            self._present = None
        if turn is None:
            return
        self._present = self.turns.setdefault(turn.id, TurnStory(id=turn.id))
        if turn.speaking:
            self._present.states.enter(SPEAKING, turn.onset_ms)
        elif turn.committed_at_ms is None:
            self._present.states.enter(TRAILING, turn.spoken_until_ms)
        else:
            self._present.states.enter(COMMITTED, turn.committed_at_ms)


def _words(event: events.CallerTranscribed, ignored: str | None) -> HeardWords:
    return HeardWords(
        at_ms=event.at_ms,
        kind=event.kind,
        text=event.text,
        no_speech_probability=event.no_speech_probability,
        used=ignored is None,
    )


def answers(log: CallLog) -> Mapping[int, int]:
    """The run that answered each turn: the last one that was heard, otherwise the last one tried."""
    tried: dict[int, int] = {}
    for run in log.runs.values():
        if run.turn_id and (run.audible or run.turn_id not in tried or not log.runs[tried[run.turn_id]].audible):
            tried[run.turn_id] = run.id
    return tried
