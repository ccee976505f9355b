"""The inference node of a schedule: latencies, late, doubled, empty and failed answers, death and return."""

from collections.abc import Callable
from typing import Any, Final

from simulation.edge import Edge
from simulation.playout import Playing
from simulation.stage import NO_COST, Observer

from voice_contract import messages as m
from voice_contract.failures import FailureReason, Stage
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e

REPLIES: Final = (
    ("Of course. ", "We are open until five. "),
    ("Yes, I can do that for you, ", "just a moment, please. ", "Anything else?"),
    ("No. ",),
    ("Well, ", "let me think about it. ", "It costs twenty. ", "Is that all right? "),
)
EMPTY_REPLIES: Final = ((), (" ",), ("*",))
WORD_SAMPLES: Final = 2_400


class Node(Edge):
    """A stage with a caller, an edge and a node."""

    def __init__(self, seed: int, observer: Observer | None = None, disarmed: frozenset[str] = frozenset()) -> None:
        super().__init__(seed, observer, disarmed)
        self._node = 0
        self._cancelled: set[int] = set()
        self._calls: dict[int, int] = {}
        self._texts: dict[tuple[int, int], str] = {}
        self._node_on: dict[type[Any], Callable[[Any, int], None]] = {
            m.Transcribe: self._transcribe,
            m.ScoreEndOfTurn: self._score,
            m.ScoreWords: self._score_words,
            m.Generate: self._generate,
            m.Synthesize: self._synthesize,
            m.CancelRun: lambda _, run_id: self._cancelled.add(run_id),
        }

    def _connect(self, command: c.ConnectInference) -> None:
        self._node += 1
        node = self._node
        refused = self._happens(self.nature.node_refuses)
        self._later(command.delay_ms + 5, self._connected, node, refused)

    def _connected(self, node: int, refused: bool) -> None:
        if node != self._node or self.state.phase is not m.Phase.CONNECTING:
            return
        if refused:
            reason = FailureReason.INFERENCE_LOST
            self.step(e.InferenceLost(at_ms=self.now_ms, reason=reason, detail="refused"))
        else:
            sound, words = self.rng.random() < 0.7, self.rng.random() < 0.7
            self.step(e.InferenceReady(at_ms=self.now_ms, scores_end_of_turn=sound, scores_words=words))

    def _to_node(self, command: c.ToInference) -> None:
        answer = self._node_on.get(type(command.message))
        if answer is not None:
            answer(command.message, command.run_id)

    def _answer(self, delay_ms: int, make: Callable[..., e.SessionEvent], run_id: int, *args: Any) -> None:
        """Has an answer of the present node come, unless a fault has it fail to, or come twice."""
        nature = self.nature
        if self._happens(nature.node_silent):
            return
        self._later(delay_ms, self._deliver, self._node, make, run_id, args)
        if self._happens(nature.node_repeats):
            self._later(delay_ms + self._latency(), self._deliver, self._node, make, run_id, args)

    def _deliver(self, node: int, make: Callable[..., e.SessionEvent], run_id: int, args: tuple[Any, ...]) -> None:
        late = run_id in self._cancelled or node != self._node
        if late and not self._happens(self.nature.late_after_cancel):
            return
        if self.state.phase is not m.Phase.CONNECTING or node == self._node:
            self.step(make(*args))

    def _transcribe(self, request: m.Transcribe, run_id: int) -> None:
        del run_id
        turn_id = request.utterance_id
        text = " ".join(part for part in self._said.get(turn_id, ()) if part)
        if self._happens(self.nature.words_change):
            text = f"{text} really"
        if self._happens(self.nature.node_empty):
            text = ""
        if self._happens(self.nature.node_fails):
            self._answer(self._latency(), self._transcription_failed, 0, turn_id)
        else:
            self._answer(self._latency(), self._words, 0, turn_id, request.revision, request.kind, text)

    def _transcription_failed(self, turn_id: int) -> e.SessionEvent:
        reason = FailureReason.ENGINE_ERROR
        return e.TranscriptionFailed(at_ms=self.now_ms, utterance_id=turn_id, reason=reason, detail="")

    def _score(self, request: m.ScoreEndOfTurn, run_id: int) -> None:
        del run_id
        if self._happens(self.nature.node_fails):
            self._answer(self._latency(), self._score_failed, 0, request.utterance_id)
        else:
            probability = self.rng.choice((0.05, 0.45, 0.9, 0.98))
            self._answer(self._latency(), self._scored, 0, request.utterance_id, request.revision, probability)

    def _scored(self, turn_id: int, revision: int, probability: float) -> e.SessionEvent:
        return e.EndOfTurnScored(
            at_ms=self.now_ms, utterance_id=turn_id, revision=revision, probability=probability, timing=NO_COST
        )

    def _score_words(self, request: m.ScoreWords, run_id: int) -> None:
        del run_id
        if not self._happens(self.nature.node_fails):
            probability = self.rng.choice((0.02, 0.15, 0.4, 0.6))
            self._answer(self._latency(), self._words_scored, 0, request.utterance_id, request.revision, probability)

    def _words_scored(self, turn_id: int, revision: int, probability: float) -> e.SessionEvent:
        return e.WordsScored(
            at_ms=self.now_ms, utterance_id=turn_id, revision=revision, probability=probability, timing=NO_COST
        )

    def _score_failed(self, turn_id: int) -> e.SessionEvent:
        reason = FailureReason.ENGINE_ERROR
        return e.EndOfTurnFailed(at_ms=self.now_ms, utterance_id=turn_id, reason=reason, detail="")

    def _generate(self, request: m.Generate, run_id: int) -> None:
        delay = self._latency()
        self.checker.generated(request, run_id)
        if self._happens(self.nature.node_dies):
            # Anywhere between the question and the end of its answer being heard, without one more draw.
            self._later(delay + delay * 97 % 4_001, self._die, self._node)
        if self._happens(self.nature.node_fails):
            self._answer(delay, self._run_failed, run_id, run_id, Stage.LLM)
            return
        if request.tools and self._happens(self.nature.uses_tools):
            asked = self._calls.get(run_id, 0)
            count = self.rng.randrange(1, 3)
            self._calls[run_id] = asked + count
            for index in range(asked, asked + count):
                self._answer(delay, self._tool_requested, run_id, run_id, index)
            self._answer(delay + 10, self._reply_ended, run_id, run_id, m.FinishReason.TOOLS)
            return
        reply = self.rng.choice(EMPTY_REPLIES if self._happens(self.nature.node_empty) else REPLIES)
        for piece in reply:
            self._answer(delay, self._reply_text, run_id, run_id, piece)
            delay += self.rng.randrange(5, 60)
        self._answer(delay, self._reply_ended, run_id, run_id, m.FinishReason.STOP)

    def _die(self, node: int) -> None:
        if node == self._node and self.state.phase not in (m.Phase.CONNECTING, m.Phase.TERMINATED):
            self.step(e.InferenceLost(at_ms=self.now_ms, reason=FailureReason.PEER_SILENT, detail="died"))

    def _reply_text(self, run_id: int, text: str) -> e.SessionEvent:
        return e.ReplyText(at_ms=self.now_ms, run_id=run_id, text=text)

    def _reply_ended(self, run_id: int, reason: m.FinishReason) -> e.SessionEvent:
        return e.ReplyEnded(
            at_ms=self.now_ms,
            run_id=run_id,
            reason=reason,
            prompt_tokens=1,
            cached_tokens=0,
            generated_tokens=1,
            timing=NO_COST,
        )

    def _tool_requested(self, run_id: int, index: int) -> e.SessionEvent:
        name = "look_up" if self.rng.random() < 0.9 else "unknown"
        return e.ToolRequested(at_ms=self.now_ms, run_id=run_id, call_index=index, name=name, arguments="{}")

    def _run_failed(self, run_id: int, stage: Stage) -> e.SessionEvent:
        return e.RunFailed(
            at_ms=self.now_ms, run_id=run_id, stage=stage, reason=FailureReason.ENGINE_ERROR, detail="it broke"
        )

    def _synthesize(self, request: m.Synthesize, run_id: int) -> None:
        delay = self._latency()
        if self._happens(self.nature.node_fails):
            self._answer(delay, self._run_failed, run_id, run_id, Stage.TTS)
            return
        self._texts[(run_id, request.segment_index)] = request.text
        # Sound crosses no reordering: a node speaks a run's segments one after the other.
        self._later(delay, self._sound, self._node, run_id, request.segment_index)

    def _speak_prepared(self, command: c.SpeakPrepared) -> None:
        """A line of which the sound is at hand, whatever became of the node."""
        self._texts[(command.run_id, 0)] = command.text
        if self._happens(self.nature.node_fails):
            self._later(1, self._prepared_failed, command.run_id)
        else:
            self._later(1, self._sound_prepared, command.run_id)

    def _prepared_failed(self, run_id: int) -> None:
        self.step(self._run_failed(run_id, Stage.TTS))

    def _sound_prepared(self, run_id: int) -> None:
        self._sound(self._node, run_id, 0)

    def _sound(self, node: int, run_id: int, index: int) -> None:
        if node != self._node or self._happens(self.nature.node_silent):
            return
        if run_id in self._cancelled and not self._happens(self.nature.late_after_cancel):
            return
        playing = self._playing.setdefault(run_id, Playing(run_id=run_id))
        if index > len(playing.sizes) and not playing.over:
            self._later(20, self._sound, node, run_id, index)
            return
        if index < len(playing.sizes):
            return
        text = self._texts[(run_id, index)]
        words = len(text.split())
        samples = 0 if self._happens(self.nature.node_empty) else words * WORD_SAMPLES + 800
        ends: tuple[int, ...] = ()
        if samples and self.rng.random() < 0.7:
            ends = tuple((number + 1) * WORD_SAMPLES for number in range(words))
        playing.advance(self.now_ms)
        if not playing.closed and not playing.over:
            playing.texts[index], playing.word_ends[index] = text, ends
            playing.sizes.append(samples)
        if samples:
            self.step(e.SegmentSounded(at_ms=self.now_ms, run_id=run_id, segment_index=index))
        self.step(
            e.SegmentSynthesised(
                at_ms=self.now_ms,
                run_id=run_id,
                segment_index=index,
                total_samples=samples,
                word_ends=ends,
                timing=NO_COST,
            )
        )
        self._watch(playing)
