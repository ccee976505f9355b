"""The fence between inference and the caller: the agent's sound, by run, until it may leave.

Pure and synchronous. Sound of a run that has ended is dropped and counted, whatever is on its way; sound of a run that
was not released, or is paused, is held. Segments of a run follow each other without a gap.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE_HZ

HELD_SAMPLES_MAX: Final = 60 * SAMPLE_RATE_HZ
"""Sound of one run that may wait to be heard; three segments of the longest kind are 48 s."""


class _Status(Enum):
    HELD = "held"
    RELEASED = "released"
    PAUSED = "paused"


@dataclass(slots=True)
class _Bounds:
    """Where a segment lies in its run; `end` is None while its sound is still coming."""

    index: int
    start: int
    end: int | None = None
    started: bool = False
    played: bool = False


@dataclass(slots=True)
class _RunSound:
    id: int
    status: _Status = _Status.HELD
    closed: bool = False
    pcm: bytearray = field(default_factory=bytearray)
    received: int = 0
    taken: int = 0
    segments: list[_Bounds] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Sound that leaves now.

    `segment_index` is of its first sample; `started` and `played`: the segments whose first and last sample it holds.
    """

    run_id: int
    segment_index: int
    offset_samples: int
    pcm: bytes
    started: tuple[int, ...]
    played: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """All sound of the run has left."""

    run_id: int
    total_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """All sound of a segment has left; `end_samples` is one past its last sample in the run."""

    run_id: int
    segment_index: int
    end_samples: int


class OutputBuffer:
    """Sound of the live run. Run ids grow; everything up to the last ended one is refused.

    `frame_samples`: how much leaves at once at most.
    """

    def __init__(self, frame_samples: int = FRAME_SAMPLES) -> None:
        self._frame_samples = frame_samples
        self._run: _RunSound | None = None
        self._ended_run_id = 0
        self._marks: list[Mark] = []
        self.dropped_samples = 0

    @property
    def held_samples(self) -> int:
        """Sound that waits to be heard."""
        return self._run.received - self._run.taken if self._run is not None else 0

    # --- from inference

    def append(self, run_id: int, segment_index: int, pcm: bytes) -> bool:
        """Adds sound at the end of a segment; False when the run holds too much, and the sound was not taken."""
        run = self._live(run_id)
        samples = len(pcm) // SAMPLE_BYTES
        if run is None or run.closed:
            self.dropped_samples += samples
            return True
        if run.received - run.taken + samples > HELD_SAMPLES_MAX:
            return False
        if not run.segments or run.segments[-1].index != segment_index:
            run.segments.append(_Bounds(index=segment_index, start=run.received))
        run.pcm += pcm
        run.received += samples
        return True

    def end_segment(self, run_id: int, segment_index: int) -> tuple[int, ...]:
        """All sound of a segment is here; gives the segments that are thereby known to have left completely."""
        run = self._live(run_id)
        if run is None:
            return ()
        for bounds in run.segments:
            if bounds.index == segment_index and bounds.end is None:
                bounds.end = run.received
        return self._newly_played(run)

    # --- from the session core

    def release(self, run_id: int) -> None:
        """Lets the run be heard."""
        run = self._live(run_id)
        if run is not None:
            run.status = _Status.RELEASED

    def pause(self, run_id: int) -> None:
        """Nothing of the run leaves until `release`."""
        run = self._live(run_id)
        if run is not None:
            run.status = _Status.PAUSED

    def end(self, run_id: int) -> None:
        """Drops what is left of the run and refuses what comes later."""
        if self._run is not None and self._run.id <= run_id:
            self.dropped_samples += self.waiting_samples
            self._run = None
            self._marks = []
        self._ended_run_id = max(self._ended_run_id, run_id)

    def close(self, run_id: int) -> None:
        """The run has no more sound; what of it is here still leaves."""
        run = self._live(run_id)
        if run is not None:
            run.closed = True

    # --- to the edge

    def take(self) -> Frame | RunEnd | None:
        """The next frame that may leave, shorter only at the end of a run; None while there is nothing."""
        run = self._run
        if run is None or run.status is not _Status.RELEASED:
            return None
        waiting = run.received - run.taken
        if run.closed and not waiting:
            self._run = None
            self._ended_run_id = max(self._ended_run_id, run.id)
            return RunEnd(run_id=run.id, total_samples=run.taken)
        if waiting < self._frame_samples and not run.closed:
            return None
        count = min(self._frame_samples, waiting)
        pcm = bytes(run.pcm[: count * SAMPLE_BYTES])
        del run.pcm[: count * SAMPLE_BYTES]
        offset = run.taken
        run.taken += count
        started = []
        for bounds in run.segments:
            if not bounds.started and bounds.start < run.taken:
                bounds.started = True
                started.append(bounds.index)
        return Frame(
            run_id=run.id,
            segment_index=[bounds.index for bounds in run.segments if bounds.start <= offset][-1],
            offset_samples=offset,
            pcm=pcm,
            started=tuple(started),
            played=self._newly_played(run),
        )

    def take_marks(self) -> list[Mark]:
        """The segments that left completely since this was asked before."""
        marks, self._marks = self._marks, []
        return marks

    @property
    def waiting_samples(self) -> int:
        """Sound of the live run that is here and has not left."""
        return self._run.received - self._run.taken if self._run is not None else 0

    def _newly_played(self, run: _RunSound) -> tuple[int, ...]:
        played = []
        for bounds in run.segments:
            if bounds.started and not bounds.played and bounds.end is not None and bounds.end <= run.taken:
                bounds.played = True
                played.append(bounds.index)
                self._marks.append(Mark(run_id=run.id, segment_index=bounds.index, end_samples=bounds.end))
        return tuple(played)

    def _live(self, run_id: int) -> _RunSound | None:
        """The run's sound, made when the run is new; None when it has ended."""
        if run_id <= self._ended_run_id:
            return None
        if self._run is None or self._run.id < run_id:
            if self._run is not None:
                self.end(self._run.id)
            self._run = _RunSound(run_id)
        return self._run if self._run.id == run_id else None
