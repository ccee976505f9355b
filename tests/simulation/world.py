"""One schedule: a caller, a node, an edge and tools around the production reducer, on virtual time, from one seed.

Everything that happens is an entry of one heap ordered by time; the seed draws latencies, faults and the caller's
doings. The session's own timer is `next_deadline`, as in production. When EVENTS_BEFORE_REST events have entered the
reducer the faults stop and the caller falls silent; the session then has to come to rest.
"""

import heapq
import random
from collections.abc import Callable
from typing import Any, Final

from simulation.checker import Checker
from simulation.playout import Playing
from simulation.script_of_nature import disarm, draw_nature, draw_policy

from voice_contract import messages as m
from voice_contract.failures import FailureReason, Stage
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.policy import Detection
from voice_orchestrator.session.reducer import Transition, reduce
from voice_orchestrator.session.state import SessionState, initial_state

EVENTS_BEFORE_REST: Final = 200
REST_MS: Final = 10_000
NO_COST: Final = m.WorkTiming()

SENTENCES: Final = (
    "Are you open today?", "I would like to", "make an appointment for", "my number is four two", "one seven",
    "yes please", "and then", "what does it cost", "no", "tell me more about it",
)  # fmt: skip
BACKCHANNELS: Final = ("mm-hm", "yeah", "okay", "uh-huh")
REPLIES: Final = (
    ("Of course. ", "We are open until five. "),
    ("Yes, I can do that for you, ", "just a moment, please. ", "Anything else?"),
    ("No. ",),
    ("Well, ", "let me think about it. ", "It costs twenty. ", "Is that all right? "),
)
EMPTY_REPLIES: Final = ((), (" ",), ("*",))
WORD_SAMPLES: Final = 2_400

Observer = Callable[[e.SessionEvent, Transition], None]


class Schedule:
    """Runs one seed; `run` returns when the session is at rest or over. Raises AssertionError for what is not true."""

    def __init__(self, seed: int, observer: Observer | None = None, disarmed: frozenset[str] = frozenset()) -> None:
        self.rng = random.Random(seed)
        self.nature = disarm(draw_nature(self.rng), disarmed)
        self.policy = draw_policy(self.rng, self.nature)
        self.state: SessionState = initial_state(self.policy)
        self.now_ms = 0
        self.events = 0
        self.stray = self.nature.stray_events
        self.faulty = True
        self._observer = observer
        self._due_ms: int | None = None
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self._node = 0
        self._playing: dict[int, Playing] = {}
        self.checker = Checker(self._playing)
        self._live_sound: Playing | None = None
        self._cancelled: set[int] = set()
        self._said: dict[int, list[str]] = {}
        self._kind: dict[int, str] = {}
        self._speaking = False
        self._agenda = 0
        self._calls: dict[int, int] = {}
        self._texts: dict[tuple[int, int], str] = {}
        self._on: dict[type[Any], Callable[[Any], None]] = {
            c.ConnectInference: self._connect,
            c.ToInference: self._to_node,
            c.ToEdge: self._to_edge,
            c.ReleaseRun: self._release,
            c.PauseRun: self._pause,
            c.ResumeRun: self._resume,
            c.FlushRun: self._flush,
            c.DropRun: self._drop,
            c.CloseRun: self._close,
            c.CallTool: self._call_tool,
            c.EndCall: self._end,
        }
        self._node_on: dict[type[Any], Callable[[Any, int], None]] = {
            m.Transcribe: self._transcribe,
            m.ScoreEndOfTurn: self._score,
            m.Generate: self._generate,
            m.Synthesize: self._synthesize,
            m.CancelRun: lambda _, run_id: self._cancelled.add(run_id),
        }

    # --- the loop

    def run(self, events: int = EVENTS_BEFORE_REST) -> None:
        """Runs until the faults end, then until the session is at rest."""
        rng = self.rng
        if rng.random() < 0.005:
            self.step(self._ending())
        listens = rng.random() < 0.95
        self.step(e.CallOpened(at_ms=0, listens=listens, speaks=rng.random() < 0.9))
        self._later(rng.randrange(2_000), self._act)
        while self.events < events:
            self._turn()
        self._come_to_rest()

    def _turn(self) -> None:
        due_ms = self._due_ms
        heap = self._heap
        if heap and (due_ms is None or heap[0][0] <= due_ms):
            at_ms, _, act, args = heapq.heappop(heap)
            if at_ms > self.now_ms:
                self.now_ms = at_ms
            act(*args)
        elif due_ms is not None:
            self.now_ms = max(self.now_ms, due_ms) + (self.rng.randrange(3) if self.stray else 0)
            self.step(e.Tick(at_ms=self.now_ms))
        elif self.state.phase is m.Phase.TERMINATED:
            self._stray_event()
        else:
            raise AssertionError("a session waits for nothing")

    def step(self, event: e.SessionEvent) -> None:
        """Has the session take an event; checks and executes."""
        before = self.state
        transition = reduce(before, event)
        state = self.state = transition.state
        self.events += 1
        if state is not before:
            self._due_ms = next_deadline(state)
        self.checker.check(event, before, transition, self._due_ms)
        if self._observer is not None:
            self._observer(event, transition)
        for command in transition.commands:
            self._on[type(command)](command)
        if self.stray and self.rng.random() < self.stray and self.faulty:
            self._stray_event()

    def _later(self, delay_ms: int, act: Callable[..., None], *args: Any) -> None:
        self._order += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._order, act, args))

    def _latency(self) -> int:
        return self.rng.randrange(1, 2 * self.nature.latency_ms)

    def _happens(self, probability: float) -> bool:
        return self.faulty and probability > 0 and self.rng.random() < probability

    def _come_to_rest(self) -> None:
        """No fault, no new doing of the caller: the session has REST_MS to come to rest, not counting sound heard."""
        self.faulty = False
        self.stray = 0.0
        self._agenda = -1
        self._fall_silent(self.now_ms)
        spent_ms, limit = 0, self.events + 2_000
        while not self._at_rest():
            before_ms, hearing = self.now_ms, self.state.phase is m.Phase.RESPONDING
            self._turn()
            if not hearing:
                spent_ms += self.now_ms - before_ms
            assert spent_ms <= REST_MS, (
                f"not at rest {REST_MS} ms after the last fault: {self.checker.where(self.state)}"
            )
            assert self.events < limit, f"no rest, no time passes: {self.checker.where(self.state)}"
        self.checker.at_rest(self.state)

    def _at_rest(self) -> bool:
        state = self.state
        if state.phase is m.Phase.TERMINATED:
            return True
        return (
            state.phase is m.Phase.ACTIVE
            and state.turn is None
            and state.run is None
            and state.watch is None
            and state.flushing is None
            and not state.tools
            and not state.keys
        )

    # --- the caller

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
        self._agenda += 1
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
        if self._happens(self.nature.edge_sound_stops):
            self._later(1_000, self._sound_is_lost, self.now_ms)
        else:
            self._later(130, self._fall_silent, self.now_ms)
        if self.faulty:
            pause = self.rng.random() < self.nature.inner_pause
            self._later(self.rng.randrange(135, 900 if pause else self.nature.caller_patience_ms + 900), self._act)

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
                    e.EndOfTurnScored(
                        at_ms=at_ms, utterance_id=turn_id, revision=index, probability=0.5, timing=NO_COST
                    ),
                    self._words(turn_id, index, m.TranscribeKind.FINAL, "stray words"),
                    e.CallOpened(at_ms=at_ms, listens=True, speaks=True),
                    e.InferenceReady(at_ms=at_ms, scores_end_of_turn=True)
                    if state.phase is not m.Phase.CONNECTING
                    else e.Tick(at_ms=at_ms),
                )
            )
        )

    # --- the node

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
            self.step(e.InferenceReady(at_ms=self.now_ms, scores_end_of_turn=self.rng.random() < 0.7))

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

    def _words(self, turn_id: int, revision: int, kind: m.TranscribeKind, text: str) -> e.CallerTranscribed:
        return e.CallerTranscribed(
            at_ms=self.now_ms,
            utterance_id=turn_id,
            revision=revision,
            kind=kind,
            text=text,
            mean_log_probability=-0.2 if text else -2.0,
            no_speech_probability=0.1 if text else 0.8,
            timing=NO_COST,
        )

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

    def _score_failed(self, turn_id: int) -> e.SessionEvent:
        reason = FailureReason.ENGINE_ERROR
        return e.EndOfTurnFailed(at_ms=self.now_ms, utterance_id=turn_id, reason=reason, detail="")

    def _generate(self, request: m.Generate, run_id: int) -> None:
        delay = self._latency()
        self.checker.generated(request, run_id)
        if self._happens(self.nature.node_dies):
            self._later(delay, self._die, self._node)
            return
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

    # --- the fence and the edge

    def _sound_of(self, run_id: int) -> Playing:
        return self._playing.setdefault(run_id, Playing(run_id=run_id))

    def _watch(self, playing: Playing) -> None:
        """Arms the next moment at which something of this run's sound begins or ends."""
        at_ms = playing.next_mark(self.now_ms)
        playing.version += 1
        if at_ms is not None:
            self._later(at_ms - self.now_ms, self._mark, playing, playing.version)
        elif playing.closed and not playing.over and playing.released and not playing.paused:
            self._played_out(playing)

    def _mark(self, playing: Playing, version: int) -> None:
        if version != playing.version or playing.over:
            return
        playing.advance(self.now_ms)
        if playing.started < len(playing.sizes) and sum(playing.sizes[: playing.started]) <= playing.at_samples:
            index = playing.started
            playing.started += 1
            if playing.sizes[index]:
                self.checker.heard(playing.run_id)
                self.step(e.SegmentStarted(at_ms=self.now_ms, run_id=playing.run_id, segment_index=index))
                if not index and not self._speaking and self._happens(self.nature.echo):
                    self._later(60, self._echo, playing.texts[index])
        elif playing.played < playing.started:
            end = sum(playing.sizes[: playing.played + 1])
            if end <= playing.at_samples:
                index = playing.played
                playing.played += 1
                if playing.sizes[index]:
                    self.step(e.SegmentPlayed(at_ms=self.now_ms, run_id=playing.run_id, segment_index=index))
        if not playing.over:
            self._watch(playing)

    def _played_out(self, playing: Playing) -> None:
        playing.over = True
        self._report(playing, sum(playing.sizes))

    def _report(self, playing: Playing, samples: int) -> None:
        nature = self.nature
        samples = max(0, samples + samples * nature.edge_skew // 1_000)
        if self._happens(nature.edge_report_lost):
            return
        self._later(self.rng.randrange(1, 2 * nature.edge_report_late_ms), self._reported, playing, samples)
        if self._happens(nature.edge_report_repeats):
            self._later(self.rng.randrange(2_000), self._reported, playing, samples)

    def _reported(self, playing: Playing, samples: int) -> None:
        self.step(e.PlayoutReported(at_ms=self.now_ms, run_id=playing.run_id, played_samples=samples))

    def _release(self, command: c.ReleaseRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.released, playing.since_ms = True, self.now_ms
        self._live_sound = playing
        self._watch(playing)

    def _pause(self, command: c.PauseRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.advance(self.now_ms)
        playing.paused = True
        playing.version += 1

    def _resume(self, command: c.ResumeRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.advance(self.now_ms)
        playing.paused = False
        self._watch(playing)

    def _flush(self, command: c.FlushRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.advance(self.now_ms)
        if playing.over:
            return
        playing.over = True
        self._report(playing, playing.at_samples)

    def _drop(self, command: c.DropRun) -> None:
        self._sound_of(command.run_id).over = True

    def _close(self, command: c.CloseRun) -> None:
        playing = self._sound_of(command.run_id)
        playing.closed = True
        self._watch(playing)

    def _to_edge(self, command: c.ToEdge) -> None:
        pass

    # --- tools and the end

    def _call_tool(self, command: c.CallTool) -> None:
        nature, delay = self.nature, self._latency()
        if self._happens(nature.tool_silent):
            return
        fails = self._happens(nature.tool_fails)
        self._later(delay, self._tool_answers, command.call_id, fails)
        if self._happens(nature.tool_repeats):
            self._later(delay + self._latency(), self._tool_answers, command.call_id, False)

    def _tool_answers(self, call_id: int, fails: bool) -> None:
        if fails:
            reason = FailureReason.TOOL_FAILED
            self.step(e.ToolFailed(at_ms=self.now_ms, call_id=call_id, reason=reason, detail="it broke"))
        else:
            self.step(e.ToolReturned(at_ms=self.now_ms, call_id=call_id, result=f"result {call_id}"))

    def _end(self, command: c.EndCall) -> None:
        for playing in self._playing.values():
            playing.over = True
