"""Whole calls on virtual time: the real runtime and telephone around a wayward node and a caller, all from one seed.

What `world` leaves out is here: pumps, link, mailbox, timers, heartbeats, tasks and their ends. The checker of the
schedules watches the session as an observer; the ear of the fenced schedules listens to the loudspeaker.
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from simulation.caller import SENTENCES
from simulation.checker import Checker
from simulation.fenced import TYPICAL_WORD_SAMPLES, Ear
from simulation.playout import Playing
from simulation.script_of_nature import draw_nature, draw_policy
from simulation.wayward_node import Chance, WaywardNode, WaywardTools
from simulation.world import REST_MS
from support.virtual_call import CALLER_LEVEL
from support.virtual_time import run_virtual, virtual_clock

from voice_contract import messages as m
from voice_contract.audio import SAMPLE_RATE_HZ
from voice_orchestrator.edges.sound_line import SoundLine
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.edge_pair import EdgeEnd, edge_pair
from voice_orchestrator.runtime.journal import NoJournal
from voice_orchestrator.runtime.ports import EdgePort
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.policy import Detection
from voice_orchestrator.session.reducer import Transition
from voice_orchestrator.session.state import SessionState, initial_state

FAULTS_S: Final = 40.0
"""How long the caller talks and faults happen."""

SLACK_SAMPLES: Final = 640
"""A word of which only so much is missing was understood."""

END_S: Final = 3.0
"""How long a session may take to be gone when it was told to end."""


@dataclass(slots=True)
class Followed(Playing):
    """A run's sound as its events tell of it. `begun`, `left`: segments whose first and last sample left."""

    lengths: dict[int, int] = field(default_factory=dict)
    begun: frozenset[int] = frozenset()
    left: frozenset[int] = frozenset()

    def heard_words(self, samples: int) -> str:
        """See Playing; a segment may be missing, or cut before its length was known."""
        words: list[str] = []
        left = samples
        for index, text in sorted(self.texts.items()):
            spoken, length = text.split(), self.lengths.get(index)
            if length is None and index in self.begun and left > 0:
                words += spoken[: min(left // TYPICAL_WORD_SAMPLES, len(spoken) - 1)]
                break
            if not length:
                continue
            words += [word for word, end in zip(spoken, self._ends(index, length), strict=True) if end <= left]
            left -= length
        return " ".join(words)

    def _ends(self, index: int, length: int) -> list[float]:
        """Until where the run must have been heard for each word of a segment to count."""
        count, ends = len(self.texts[index].split()), self.word_ends[index]
        if len(ends) == count:
            return [min(length, end - SLACK_SAMPLES) for end in ends]
        return [length * (number + 1) / count for number in range(count)]

    def played_words(self) -> str:
        """See Playing."""
        return " ".join(self.texts[index] for index in sorted(self.left))


class Watching:
    """Implements Observer: checks every step, and keeps what each run's sound is from the events alone."""

    def __init__(self, state: SessionState, playing: dict[int, Playing]) -> None:
        self.state = state
        self.steps = 0
        self.failures: list[str] = []
        self.checker = Checker(playing)
        self._playing = playing
        self._frozen: set[int] = set()

    def sound_of(self, run_id: int) -> Followed:
        """What is known of a run's sound."""
        sound = self._playing.setdefault(run_id, Followed(run_id=run_id))
        assert isinstance(sound, Followed)
        return sound

    def on_transition(self, event: e.SessionEvent, transition: Transition) -> None:
        """See Observer."""
        before, self.state = self.state, transition.state
        self.steps += 1
        if transition.ignored is None:
            self._follow(event)
        try:
            self.checker.check(event, before, transition, next_deadline(transition.state))
            for command in transition.commands:
                self._execute(command)
        except AssertionError as failure:
            self.failures.append(f"step {self.steps}, {event}: {failure}")

    def _execute(self, command: c.Command) -> None:
        if isinstance(command, c.FlushRun | c.DropRun):
            self._frozen.add(command.run_id)
        elif isinstance(command, c.ToInference):
            if isinstance(command.message, m.Synthesize):
                self._ask(command.message, command.run_id)
            elif isinstance(command.message, m.Generate):
                self.checker.generated(command.message, command.run_id)

    def _ask(self, request: m.Synthesize, run_id: int) -> None:
        self.sound_of(run_id).texts[request.segment_index] = request.text

    def _follow(self, event: e.SessionEvent) -> None:
        if isinstance(event, e.SegmentSynthesised) and event.run_id not in self._frozen:
            sound = self.sound_of(event.run_id)
            sound.word_ends[event.segment_index] = event.word_ends
            sound.lengths[event.segment_index] = event.total_samples
        elif isinstance(event, e.SegmentStarted):
            self.sound_of(event.run_id).begun |= {event.segment_index}
        elif isinstance(event, e.SegmentPlayed):
            self.sound_of(event.run_id).left |= {event.segment_index}

    def leaves(self, payload: m.Payload, run_id: int) -> None:
        """Something leaves for the edge."""
        if not isinstance(payload, m.Audio):
            return
        try:
            self.checker.heard(run_id)
        except AssertionError as failure:
            self.failures.append(f"after step {self.steps}: {failure}")


class WatchedEnd:
    """Implements EdgePort for the session: what leaves is looked at."""

    def __init__(self, end: EdgePort, watching: Watching) -> None:
        self._end = end
        self._watching = watching

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        self._watching.leaves(payload, run_id)
        await self._end.send(payload, run_id)

    async def receive(self) -> m.Event:
        """See EdgePort."""
        return await self._end.receive()

    def close(self) -> None:
        """See EdgePort."""
        self._end.close()


class BadLine:
    """Implements EdgePort for the telephone: a line that loses reports and caller sound and at times stands still."""

    def __init__(self, end: EdgePort, chance: Chance, ear: Ear) -> None:
        self._end = end
        self._chance = chance
        self._ear = ear
        self.mute = False

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        nature = self._chance.nature
        if isinstance(payload, m.Audio) and self.mute:
            return
        if isinstance(payload, m.PlayoutPosition):
            assert payload.played_samples == self._ear.heard(run_id), "the edge reports what was not heard"
            self._ear.reported.add(run_id)
            if self._chance.happens(nature.edge_report_lost):
                return
            if self._chance.happens(nature.edge_report_repeats):
                await self._end.send(payload, run_id)
        await self._end.send(payload, run_id)

    async def receive(self) -> m.Event:
        """See EdgePort."""
        if self._chance.happens(self._chance.nature.edge_report_late_ms / 500_000):
            await asyncio.sleep(self._chance.rng.random())
        return await self._end.receive()

    def close(self) -> None:
        """See EdgePort."""
        self._end.close()


class WholeCall:
    """One call from one seed; `make` raises AssertionError for what is not true."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._chance = Chance(self._rng, draw_nature(self._rng))
        self.policy = draw_policy(self._rng, self._chance.nature)
        self._ear = Ear()
        self.watching = Watching(initial_state(self.policy), {})
        self._tools = WaywardTools(self._chance)
        self.outcome: SessionOutcome | None = None

    def make(self) -> None:
        """Makes the call to its end."""
        run_virtual(self._make())

    async def _make(self) -> None:
        clock = virtual_clock()
        session_end, edge_end = edge_pair("simulated", clock.monotonic_us)
        watched = WatchedEnd(session_end, self.watching)
        node = WaywardNode(self._chance, self._ear.expect)
        runtime = SessionRuntime(
            "simulated", self.policy, watched, node, clock, NoJournal(), [self.watching], self._tools
        )
        line = BadLine(edge_end, self._chance, self._ear)
        telephone = SoundLine(line, clock, self._ear, "simulated", [self])

        async def serve() -> SessionOutcome:
            return await runtime.run(await receive_open(watched))

        async with asyncio.TaskGroup() as group:
            serving = group.create_task(serve())
            await telephone.run(lambda: self._talk(telephone, line, edge_end, runtime))
            async with asyncio.timeout(END_S):
                await asyncio.wait((serving,))
        self.outcome = serving.result()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert all(task.get_name().startswith("Task-") for task in left), f"tasks of the session are left: {left}"
        self._check(telephone)

    def on_event(self, event: m.Event, at_ms: int) -> None:
        """See EdgeListener; the loudspeaker has done what it was told already."""
        del at_ms
        if isinstance(event.payload, m.PlayoutPause):
            self._ear.paused = True
        elif isinstance(event.payload, m.PlayoutResume | m.PlayoutFlush):
            self._ear.paused = False

    def _check(self, telephone: SoundLine) -> None:
        assert not self.watching.failures, self.watching.failures[0]
        assert self.outcome is not None
        assert self.outcome.cause is not m.EndCause.INTERNAL, self.outcome
        assert not telephone.playout.missing_samples, "sound was lost between the fence and the edge"
        assert not telephone.playout.repeated_samples, "sound came twice from the fence"
        assert not telephone.playout.late_samples, "sound of a run left after it was flushed"
        self.watching.checker.at_rest(self.watching.state)

    # --- the caller

    async def _talk(self, telephone: SoundLine, line: BadLine, end: EdgeEnd, runtime: SessionRuntime) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + FAULTS_S
        while loop.time() < until_s and telephone.progress.ended is None:
            await self._act(telephone, line)
            await asyncio.sleep(self._rng.randrange(20, self._chance.nature.caller_patience_ms + 500) / 1_000)
        self._chance.faulty = False
        line.mute = False
        await self._await_rest(telephone)
        ending = self._rng.randrange(3)
        if ending == 0:
            await telephone.send(m.HangUp())
        elif ending == 1:
            runtime.request_shutdown()
        else:
            end.close()

    async def _act(self, telephone: SoundLine, line: BadLine) -> None:
        rng, nature, draw = self._rng, self._chance.nature, self._rng.random()
        if draw < nature.types:
            words = m.Transcript(speaker=m.Speaker.CALLER, kind=m.TranscriptKind.FINAL, text=rng.choice(SENTENCES))
            await telephone.send(words)
        elif draw < nature.types + nature.keys:
            await telephone.send(m.Dtmf(key=rng.choice("123#")))
        elif self.watching.state.phase is not m.Phase.RESPONDING or rng.random() < nature.over_agent:
            await self._speak(telephone, rng.randrange(100, 2_500) / 1_000)
            line.mute = self._chance.happens(nature.edge_sound_stops)

    async def _speak(self, telephone: SoundLine, seconds: float) -> None:
        button = self.policy.turn_taking.detection is Detection.PUSH_TO_TALK
        if button:
            await telephone.send(m.TalkPressed(offset_samples=telephone.next_samples))
        telephone.begin(_loud(seconds))
        await asyncio.sleep(seconds)
        if button:
            await telephone.send(m.TalkReleased(offset_samples=telephone.next_samples))

    async def _await_rest(self, telephone: SoundLine) -> None:
        """No fault, no new doing of the caller: the session has REST_MS to come to rest, not counting sound heard."""
        spent_s, state = 0.0, self.watching.state
        while not at_rest(state) and not self.watching.failures and telephone.progress.ended is None:
            await asyncio.sleep(0.02)
            spent_s += 0.02 if state.phase is not m.Phase.RESPONDING else 0.0
            state = self.watching.state
            assert spent_s <= REST_MS / 1_000, f"not at rest: {self.watching.checker.where(state)}"


def at_rest(state: SessionState) -> bool:
    """Whether nothing goes on and nothing is waited for."""
    if state.phase is m.Phase.TERMINATED:
        return True
    busy = (state.turn, state.run, state.watch, state.flushing)
    idle = all(each is None for each in busy) and not state.tools and not state.keys
    return state.phase is m.Phase.ACTIVE and idle


def _loud(seconds: float) -> NDArray[np.int16]:
    return np.tile([CALLER_LEVEL, -CALLER_LEVEL], int(seconds * SAMPLE_RATE_HZ) // 2).astype(np.int16)
