"""Schedules whose sound takes the production way: fence, loudspeaker and playout, every sample of it known.

The schedule of `world` computes where sound stands; here it is sent in frames through `OutputBuffer` to an edge made of
`Playout` and `Speaker`, over a line that is slow and at times stands still. What the ear gets is compared sample by
sample with what the node spoke, and with what the session says was heard.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from simulation.node import WORD_SAMPLES
from simulation.playout import SAMPLES_PER_MS, Playing
from simulation.stage import Observer
from simulation.world import EVENTS_BEFORE_REST, Schedule

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.sequencing import EventSequencer
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.playout import Playout
from voice_orchestrator.edges.speaker import Speaker
from voice_orchestrator.runtime.output_buffer import Frame, OutputBuffer
from voice_orchestrator.runtime.ports import EdgeGoneError
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e

FRAME_SAMPLES: Final = 1_600
"""Five times a real frame: fewer steps, and room for everything that can happen between two frames."""

WELL_MS: Final = 60
"""Reports of an edge that is well come within twice this."""

LEAD_MS: Final = 2 * FRAME_SAMPLES // SAMPLES_PER_MS
CHUNK_SAMPLES: Final = 3_200
RUN_SAMPLES_MAX: Final = 1_000_000
TYPICAL_WORD_SAMPLES: Final = 350 * SAMPLES_PER_MS
"""What a word is taken for in a segment that was cut before its length was known."""

SOUNDS: Final = tuple(
    (np.arange(RUN_SAMPLES_MAX) % 20_000 + 20_000 * part - 30_000).astype(np.int16) for part in range(3)
)
"""What runs sound like: every sample says where in its run it belongs, and of three runs which one."""


@dataclass(slots=True)
class Streaming(Playing):
    """A run's sound that comes piece by piece. `coming`: the segment that is not complete; `left`: those that left."""

    coming: int | None = None
    came_samples: int = 0
    left: frozenset[int] = frozenset()

    def heard_words(self, samples: int) -> str:
        """See Playing; of a segment that was cut before its length was known, an estimate."""
        known = Playing.heard_words(self, samples)
        rest = samples - sum(self.sizes)
        if self.coming is None or rest <= 0:
            return known
        spoken = self.texts[self.coming].split()
        return " ".join([known, *spoken[: min(rest // TYPICAL_WORD_SAMPLES, len(spoken) - 1)]]).strip()

    def played_words(self) -> str:
        """See Playing."""
        return " ".join(self.texts[index] for index in sorted(self.left))


class Ear(StereoRecording):
    """Checks what the loudspeaker plays: every run from its first sample on, none lost, none twice, none too late."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.reported: set[int] = set()
        self._heard: dict[int, int] = {}
        self._runs: dict[int, int] = {}

    def expect(self, run_id: int) -> None:
        """Sound of a run is on its way. What comes late of an older one is not to be heard, and stands for none."""
        part = run_id % len(SOUNDS)
        self._runs[part] = max(run_id, self._runs.get(part, 0))
        self._heard.setdefault(run_id, 0)

    def heard(self, run_id: int) -> int:
        """Samples of a run that were played."""
        return self._heard.get(run_id, 0)

    def write_agent(self, position_samples: int, samples: NDArray[np.int16]) -> None:
        """See StereoRecording; nothing is kept."""
        if not len(samples):
            return
        part = (int(samples[0]) + 30_000) // 20_000
        run_id = self._runs[part]
        at = self._heard[run_id]
        assert not self.paused, f"run {run_id} is heard while the edge pauses"
        assert run_id not in self.reported, f"run {run_id} is heard after it was said how much was heard"
        assert np.array_equal(samples, SOUNDS[part][at : at + len(samples)]), f"run {run_id} lost or repeated a sample"
        self._heard[run_id] = at + len(samples)


class Reports:
    """Implements EdgePort for the playout: what it reports goes back to the schedule."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        """See EdgePort."""
        assert isinstance(payload, m.PlayoutPosition)
        self._report(run_id, payload.played_samples)

    async def receive(self) -> m.Event:
        """See EdgePort."""
        raise EdgeGoneError("a playout only sends")

    def close(self) -> None:
        """See EdgePort."""


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("the edge waits")


class FencedSchedule(Schedule):
    """See Schedule."""

    def __init__(self, seed: int, observer: Observer | None = None, disarmed: frozenset[str] = frozenset()) -> None:
        super().__init__(seed, observer, disarmed)
        self._line_ms = self.rng.choice((0, 0, 20, 120))
        self._stalls = self.rng.choice((0.0, 0.0, 0.02))
        self._chunked = self.rng.choice((0.0, 0.3, 1.0))
        self._fence = OutputBuffer(FRAME_SAMPLES)
        self.ear = Ear()
        self._speaker = Speaker(self.ear)
        self._playout = Playout(Reports(self._edge_reports), self._speaker, self._edge_time_s)
        self._sequencer = EventSequencer("simulated", lambda: self.now_ms * 1_000)
        self._at_edge_ms = 0
        self._edge_ticks = False
        self._sound_due_ms = 0
        self._pumping = 0
        self._over = False
        self._paused_runs: set[int] = set()
        self._pauses: Counter[int] = Counter()
        self._given: Counter[int] = Counter()
        self._sent: Counter[int] = Counter()
        nature = self.nature
        self._edge_is_well = not (self._stalls or nature.edge_report_lost or nature.edge_report_late_ms > WELL_MS)

    def run(self, events: int = EVENTS_BEFORE_REST) -> None:
        """See Schedule; then no sound may have been lost or repeated on its way."""
        super().run(events)
        assert not self._playout.missing_samples, "sound was lost between the fence and the edge"
        assert not self._playout.repeated_samples, "sound came twice from the fence"

    # --- the node's sound comes in pieces

    def _sound_of(self, run_id: int) -> Streaming:
        playing = self._playing.get(run_id)
        if playing is None:
            playing = self._playing[run_id] = Streaming(run_id=run_id)
        assert isinstance(playing, Streaming)
        return playing

    def _lost(self, node: int, run_id: int) -> bool:
        """Whether what the node speaks of a run does not come any more."""
        if node != self._node or self._happens(self.nature.node_silent):
            return True
        return run_id in self._cancelled and not self._happens(self.nature.late_after_cancel)

    def _sound(self, node: int, run_id: int, index: int) -> None:
        if self._lost(node, run_id):
            return
        playing = self._sound_of(run_id)
        if not playing.over and (playing.coming is not None or index > len(playing.sizes)):
            self._later(20, self._sound, node, run_id, index)
            return
        if not playing.over and index < len(playing.sizes):
            return
        words = len(self._texts[(run_id, index)].split())
        samples = 0 if self._happens(self.nature.node_empty) else words * WORD_SAMPLES + 800
        ends: tuple[int, ...] = ()
        if samples and self.rng.random() < 0.7:
            ends = tuple((number + 1) * WORD_SAMPLES for number in range(words))
        if not playing.over and not playing.closed:
            playing.texts[index], playing.word_ends[index] = self._texts[(run_id, index)], ends
            playing.coming, playing.came_samples = index, 0
        piece = CHUNK_SAMPLES if self.rng.random() < self._chunked else samples
        self._piece(node, run_id, index, samples, ends, piece)

    def _piece(self, node: int, run_id: int, index: int, total: int, ends: tuple[int, ...], piece: int) -> None:
        if self._lost(node, run_id):
            return
        playing = self._sound_of(run_id)
        first = not playing.came_samples
        count = min(piece, total - playing.came_samples)
        if count:
            at = sum(playing.sizes) + playing.came_samples
            self.ear.expect(run_id)
            if not playing.over and not playing.closed:
                self._given[run_id] += count
            self._fence.append(run_id, index, SOUNDS[run_id % len(SOUNDS)][at : at + count].tobytes())
            playing.came_samples += count
            if first:
                self.step(e.SegmentSounded(at_ms=self.now_ms, run_id=run_id, segment_index=index))
            self._wake()
        if playing.came_samples < total and not playing.over:
            delay_ms = self.rng.randrange(20, 300)
            self._later(delay_ms, self._piece, node, run_id, index, total, ends, piece)
            return
        self._later(self.rng.choice((0, 0, 5, 150)), self._spoken, node, run_id, index, total, ends)

    def _spoken(self, node: int, run_id: int, index: int, total: int, ends: tuple[int, ...]) -> None:
        """The node has spoken a whole segment."""
        if self._lost(node, run_id):
            return
        playing = self._sound_of(run_id)
        if playing.coming == index and not playing.over and not playing.closed:
            playing.sizes.append(total)
            playing.coming = None
        playing.came_samples = 0
        self._left(run_id, self._fence.end_segment(run_id, index))
        self.step(
            e.SegmentSynthesised(
                at_ms=self.now_ms,
                run_id=run_id,
                segment_index=index,
                total_samples=total,
                word_ends=ends,
                timing=m.WorkTiming(),
            )
        )

    # --- the fence and the pump

    def _left(self, run_id: int, played: tuple[int, ...]) -> None:
        playing = self._sound_of(run_id)
        for index in played:
            ends = sum(playing.sizes[: index + 1]) if index < len(playing.sizes) else 0
            assert ends <= self._sent[run_id], f"segment {index} is told as played before its end has left"
            playing.left |= {index}
            self.step(e.SegmentPlayed(at_ms=self.now_ms, run_id=run_id, segment_index=index))

    def _wake(self) -> None:
        self._pumping += 1
        self._later(0, self._pump, self._pumping)

    def _pump(self, version: int) -> None:
        """Sends what is due, as the send pump does."""
        while version == self._pumping and not self._over:
            wait_ms = self._sound_due_ms - LEAD_MS - self.now_ms
            if wait_ms > 0:
                self._later(wait_ms, self._pump, version)
                return
            item = self._fence.take()
            if item is None:
                return
            if isinstance(item, Frame):
                self._send_frame(item)
            else:
                assert item.total_samples == self._given[item.run_id], "a run is over while sound of it waits"
                self._deliver_to_edge(m.RunAudioEnd(total_samples=item.total_samples), item.run_id)

    def _send_frame(self, frame: Frame) -> None:
        self.checker.heard(frame.run_id)
        assert frame.run_id not in self._paused_runs, "sound of a paused run leaves"
        self._sound_due_ms = max(self._sound_due_ms, self.now_ms) + len(frame.pcm) // 2 // SAMPLES_PER_MS
        audio = m.Audio(pcm=frame.pcm, offset_samples=frame.offset_samples, segment_index=frame.segment_index)
        self._sent[frame.run_id] += len(frame.pcm) // 2
        self._deliver_to_edge(audio, frame.run_id)
        for index in frame.started:
            self.step(e.SegmentStarted(at_ms=self.now_ms, run_id=frame.run_id, segment_index=index))
            if not index and not self._speaking and self._happens(self.nature.echo):
                self._later(60, self._echo, self._sound_of(frame.run_id).texts[index])
        self._left(frame.run_id, frame.played)

    # --- the edge

    def _edge_time_s(self) -> float:
        return self.now_ms * (1_000 + self.nature.edge_skew) / 1_000_000

    def _deliver_to_edge(self, payload: m.Payload, run_id: int) -> None:
        """Has the edge get something, in order, when the line lets it through."""
        stall_ms = self.rng.randrange(800) if self._happens(self._stalls) else 0
        self._at_edge_ms = max(self._at_edge_ms, self.now_ms + self._line_ms + stall_ms)
        self._later(self._at_edge_ms - self.now_ms, self._at_edge, payload, run_id)

    def _at_edge(self, payload: m.Payload, run_id: int) -> None:
        finish(self._playout.accept(self._sequencer.make(payload, run_id)))
        if isinstance(payload, m.PlayoutPause):
            self.ear.paused = True
        elif isinstance(payload, m.PlayoutResume | m.PlayoutFlush):
            self.ear.paused = False
        if not self._edge_ticks:
            self._edge_ticks = True
            self._later(100, self._edge_tick)

    def _edge_tick(self) -> None:
        finish(self._playout.tick())
        self._edge_ticks = not self._playout.idle
        if self._edge_ticks:
            self._later(100, self._edge_tick)

    def _edge_reports(self, run_id: int, played_samples: int) -> None:
        assert played_samples == self.ear.heard(run_id), "the edge reports what was not heard"
        self.ear.reported.add(run_id)
        nature = self.nature
        if self._happens(nature.edge_report_lost):
            return
        self._later(self.rng.randrange(1, 2 * nature.edge_report_late_ms), self._told, run_id, played_samples)
        if self._happens(nature.edge_report_repeats):
            self._later(self.rng.randrange(2_000), self._told, run_id, played_samples)

    def _stray_report(self, run_id: int) -> e.PlayoutReported:
        """A report that came before: an edge reports once, when it is flushed or has played all."""
        run_id = run_id if run_id in self.ear.reported else -1
        at_ms = max(0, self.now_ms - 500)
        return e.PlayoutReported(at_ms=at_ms, run_id=run_id, played_samples=self.ear.heard(run_id))

    def _told(self, run_id: int, played_samples: int) -> None:
        self.step(e.PlayoutReported(at_ms=self.now_ms, run_id=run_id, played_samples=played_samples))

    # --- commands

    def _to_edge(self, command: c.ToEdge) -> None:
        message, run = command.message, self.state.flushing.run if self.state.flushing is not None else None
        if self._edge_is_well and isinstance(message, Failure) and message.stage is Stage.EDGE:
            overran = message.reason is FailureReason.DEADLINE_EXCEEDED
            # A lead of sound is sent anew at every resumption, on top of what the edge kept.
            delayed = run is None or run.truncated or self._pauses[run.id] > 1
            assert not overran or delayed, "a run that was played is waited for"

    def _release(self, command: c.ReleaseRun) -> None:
        self._fence.release(command.run_id)
        self._wake()

    def _pause(self, command: c.PauseRun) -> None:
        self._fence.pause(command.run_id)
        self._paused_runs.add(command.run_id)
        self._pauses[command.run_id] += 1
        self._deliver_to_edge(m.PlayoutPause(), command.run_id)

    def _resume(self, command: c.ResumeRun) -> None:
        self._paused_runs.discard(command.run_id)
        self._deliver_to_edge(m.PlayoutResume(), command.run_id)
        self._fence.release(command.run_id)
        self._wake()

    def _flush(self, command: c.FlushRun) -> None:
        self._fence.end(command.run_id)
        self._sound_of(command.run_id).over = True
        self._deliver_to_edge(m.PlayoutFlush(), command.run_id)

    def _drop(self, command: c.DropRun) -> None:
        self._fence.end(command.run_id)
        self._sound_of(command.run_id).over = True

    def _close(self, command: c.CloseRun) -> None:
        self._fence.close(command.run_id)
        self._sound_of(command.run_id).closed = True
        self._wake()

    def _end(self, command: c.EndCall) -> None:
        super()._end(command)
        self._over = True
