"""The caller of a schedule: speech with pauses, coughs, backchannels, echo, words typed, keys, a button, an end."""

from typing import Final

from simulation.stage import NO_COST, Observer, Stage

from voice_contract import messages as m
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import Detection

SENTENCES: Final = (
    "Are you open today?", "I would like to", "make an appointment for", "my number is four two", "one seven",
    "yes please", "and then", "what does it cost", "no", "tell me more about it",
)  # fmt: skip
BACKCHANNELS: Final = ("mm-hm", "yeah", "okay", "uh-huh")


class Caller(Stage):
    """A stage with a caller."""

    def __init__(self, seed: int, observer: Observer | None = None, disarmed: frozenset[str] = frozenset()) -> None:
        super().__init__(seed, observer, disarmed)
        self._said: dict[int, list[str]] = {}
        self._speaking = False

    def _act(self) -> None:
        if not self.faulty:
            return
        rng, nature = self.rng, self.nature
        if self.state.phase is m.Phase.TERMINATED:
            # The edge may not know yet: what the caller does after the end must mean nothing.
            self.step(rng.choice((e.CallerTyped(at_ms=self.now_ms, text="hello?"), self._ending())))
            if rng.random() < 0.5:
                self._later(rng.randrange(500), self._act)
            return
        patience = nature.caller_patience_ms
        if self.state.phase is m.Phase.RESPONDING and rng.random() > nature.over_agent:
            self._later(rng.randrange(100, 1_500), self._act)
            return
        draw = rng.random()
        if draw < nature.types:
            self.step(e.CallerTyped(at_ms=self.now_ms, text=rng.choice((*SENTENCES, " "))))
        elif draw < nature.types + nature.keys:
            delay_ms = 0
            for _ in range(rng.randrange(1, 4)):
                self._later(delay_ms, self._press_key, rng.choice("123#"))
                delay_ms += rng.randrange(50, 1_200)
        elif self.state.listens and not self._speaking:
            self._speak()
            return
        if self.events > 150 and rng.random() < 0.04:
            self.step(self._ending())
        self._later(rng.randrange(50, patience), self._act)

    def _press_key(self, key: str) -> None:
        if self.faulty:
            self.step(e.CallerKeyed(at_ms=self.now_ms, key=key))

    def _ending(self) -> e.SessionEvent:
        at_ms = self.now_ms
        return self.rng.choice(
            (
                e.CallerHungUp(at_ms=at_ms),
                e.EdgeLost(at_ms=at_ms, detail=""),
                e.ShutdownRequested(at_ms=at_ms),
                e.ShellFailed(at_ms=at_ms, detail=""),
            )
        )

    def _echo(self, text: str) -> None:
        """The microphone hears the agent's first words."""
        if self._speaking or self.state.phase is not m.Phase.RESPONDING or not self.state.listens:
            return
        if self.policy.turn_taking.detection is not Detection.PUSH_TO_TALK:
            self._begin_speech(text, self.rng.randrange(200, 1_000))

    def _speak(self) -> None:
        """A stretch of speech begins; its onset was up to 100 ms ago."""
        rng, nature = self.rng, self.nature
        draw = rng.random()
        if draw < nature.cough:
            text, length = "", rng.randrange(100, 900)
        elif draw < nature.cough + nature.backchannel:
            text, length = rng.choice(BACKCHANNELS), rng.randrange(200, 700)
        else:
            text, length = rng.choice(SENTENCES), rng.randrange(200, 2_500)
        self._begin_speech(text, length)

    def _begin_speech(self, text: str, length: int) -> None:
        self._speaking = True
        onset = max(0, self.now_ms - self.rng.randrange(100))
        if self.policy.turn_taking.detection is Detection.PUSH_TO_TALK:
            self.step(e.TalkPressed(at_ms=self.now_ms, offset_samples=onset * 16, spoken_at_ms=onset))
        else:
            self.step(e.SpeechStarted(at_ms=self.now_ms, offset_samples=onset * 16, spoken_at_ms=onset))
        turn = self.state.turn
        if turn is not None:
            self._said.setdefault(turn.id, []).append(text)
        self._later(length, self._pause_speech)

    def _pause_speech(self) -> None:
        """The speech is over, which shows later."""
        if not self._speaking:
            return
        # Most pauses are noticed before they are certain; some of those are none.
        noticed_ms = self.rng.randrange(120)
        self._later(noticed_ms, self._falter, self.now_ms + self.rng.choice((-300, noticed_ms)))
        if self._happens(self.nature.edge_sound_stops):
            self._later(1_000, self._sound_is_lost, self.now_ms)
        else:
            self._later(130, self._fall_silent, self.now_ms)
        if self.faulty:
            pause = self.rng.random() < self.nature.inner_pause
            self._later(self.rng.randrange(135, 900 if pause else self.nature.caller_patience_ms + 900), self._act)

    def _falter(self, until_ms: int) -> None:
        if self._speaking and self.policy.turn_taking.detection is not Detection.PUSH_TO_TALK:
            self.step(e.SpeechFaltered(at_ms=self.now_ms, offset_samples=max(0, until_ms) * 16))

    def _sound_is_lost(self, spoken_until_ms: int) -> None:
        if self._speaking:
            self._speaking = False
            at_ms, offset = self.now_ms, spoken_until_ms * 16
            self.step(e.CallerSoundLost(at_ms=at_ms, offset_samples=offset, spoken_at_ms=spoken_until_ms))

    def _fall_silent(self, spoken_until_ms: int) -> None:
        if not self._speaking:
            return
        self._speaking = False
        at_ms, offset = self.now_ms, spoken_until_ms * 16
        if self.policy.turn_taking.detection is Detection.PUSH_TO_TALK:
            self.step(e.TalkReleased(at_ms=at_ms, offset_samples=offset, spoken_at_ms=spoken_until_ms))
        else:
            self.step(e.SpeechEnded(at_ms=at_ms, offset_samples=offset, spoken_at_ms=spoken_until_ms))

    def _stray_report(self, run_id: int) -> e.PlayoutReported:
        playing = self._playing.get(run_id)
        samples = min(self.rng.randrange(40_000), sum(playing.sizes) if playing is not None else 0)
        return e.PlayoutReported(at_ms=max(0, self.now_ms - 500), run_id=run_id, played_samples=samples)

    def _stray_event(self) -> None:
        """Something of the past, or of nobody: for a run, a turn, a segment or a tool that may or may not be there."""
        rng, state, at_ms = self.rng, self.state, self.now_ms - self.rng.choice((0, 0, 500))
        run_id = max(0, state.next_run_id - rng.randrange(3))
        turn_id = max(0, state.next_turn_id - rng.randrange(3))
        index = rng.randrange(3)
        at_ms = max(0, at_ms)
        self.step(
            rng.choice(
                (
                    e.Tick(at_ms=at_ms),
                    self._stray_report(run_id - 1),
                    e.SegmentPlayed(at_ms=at_ms, run_id=run_id - 2, segment_index=index),
                    e.SegmentStarted(at_ms=at_ms, run_id=run_id - 2, segment_index=index),
                    e.SegmentSounded(at_ms=at_ms, run_id=run_id, segment_index=index + 5),
                    e.ReplyText(at_ms=at_ms, run_id=run_id - 2, text="late. "),
                    e.ToolReturned(at_ms=at_ms, call_id=rng.randrange(3), result="stray"),
                    e.SpeechEnded(at_ms=at_ms, offset_samples=at_ms * 16, spoken_at_ms=at_ms),
                    e.SpeechFaltered(at_ms=at_ms, offset_samples=at_ms * 16),
                    e.EndOfTurnScored(
                        at_ms=at_ms, utterance_id=turn_id, revision=index, probability=0.5, timing=NO_COST
                    ),
                    e.WordsScored(at_ms=at_ms, utterance_id=turn_id, revision=index, probability=0.5, timing=NO_COST),
                    self._words(turn_id, index, m.TranscribeKind.FINAL, "stray words"),
                    e.CallOpened(at_ms=at_ms, listens=True, speaks=True),
                    e.InferenceReady(at_ms=at_ms, scores_end_of_turn=True)
                    if state.phase is not m.Phase.CONNECTING
                    else e.Tick(at_ms=at_ms),
                )
            )
        )
