"""Hears what crosses an edge's stream and puts both sides on one timeline, as the caller heard and spoke them.

The timeline begins with the caller's first sample. Caller sound lies at its own offset. Agent sound lies where a
loudspeaker plays that takes it the moment it leaves: what is sent ahead waits, a pause stops it at the sample, a flush
drops the rest. When the edge reports after a flush how much it had really played, what was put too far is silenced and
what was put too short is added. The drift of the edge's clock against ours, and the time the network takes, are not
known here and not corrected.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, samples_from_ms
from voice_contract.messages import (
    Audio,
    CallAccepted,
    Payload,
    PlayoutFlush,
    PlayoutPause,
    PlayoutPosition,
    PlayoutResume,
)
from voice_orchestrator.edges.speaker import RunPlayed, Speaker
from voice_orchestrator.runtime.media_clock import MediaClock

AHEAD_MS_MAX: Final = 5_000
"""Caller sound that claims to be from so far in the future is not recorded: a hole of hours would cost a disk."""


class SoundTrack(Protocol):
    """Keeps sound, 16,000 Hz s16le, at positions of one timeline; never raises, never waits."""

    def write_caller(self, position_samples: int, pcm: bytes) -> None:
        """Caller sound; what was there is replaced."""

    def write_agent(self, position_samples: int, pcm: bytes) -> None:
        """Agent sound; what was there is replaced."""


class RecordingTap:
    """Is told of every event in the order in which it crossed, sound in the runtime's own format; `finish` at the end.

    `now_s` is the time of the session's clock, the same that the session's events carry in milliseconds.
    """

    def __init__(self, track: SoundTrack) -> None:
        self._track = track
        self._speaker = Speaker(None)
        self._media = MediaClock()
        self._opened_ms = 0
        self._origin_ms: int | None = None
        self._hears_caller = False
        self._unplayed: deque[tuple[int, bytes]] = deque()
        self._seen_stretches = 0
        self._seen_until = 0
        self._flushed_run_id = 0
        self._flushed_at = 0
        self._dropped = b""
        self.ahead_samples = 0
        """Caller sound that was not recorded because it claimed to be from the future."""

    @property
    def runs(self) -> Mapping[int, RunPlayed]:
        """What was heard of each run, positions of the timeline: what reports need."""
        return self._speaker.runs

    @property
    def origin_ms(self) -> int:
        """Session time of the timeline's beginning, ms; it settles when the agent is first heard."""
        if self._origin_ms is not None:
            return self._origin_ms
        return self._media.spoken_at_ms(0) if self._hears_caller else self._opened_ms

    def on_received(self, payload: Payload, run_id: int, now_s: float) -> None:
        """An event came from the edge."""
        match payload:
            case Audio(pcm=pcm, offset_samples=offset):
                self._hear_caller(pcm, offset, now_s)
            case PlayoutPosition(played_samples=played) if run_id == self._flushed_run_id:
                self._correct(run_id, played)
            case _:
                pass

    def on_sent(self, payload: Payload, run_id: int, now_s: float) -> None:
        """An event went to the edge."""
        match payload:
            case CallAccepted():
                self._opened_ms = int(now_s * 1_000)
            case Audio(pcm=pcm) if run_id > self._flushed_run_id:
                self._speaker.push(run_id, np.frombuffer(pcm, dtype="<i2"), self._at(now_s))
                self._unplayed.append((run_id, pcm))
            case PlayoutPause():
                self._speaker.pause(self._at(now_s))
            case PlayoutResume():
                self._speaker.resume(self._at(now_s))
            case PlayoutFlush():
                self._flush(run_id, now_s)
            case _:
                return
        self._keep_played()

    def finish(self, now_s: float) -> None:
        """The call is over; what was not heard by now never is."""
        self._speaker.advance(self._at(now_s))
        self._keep_played()

    # --- the caller

    def _hear_caller(self, pcm: bytes, offset: int, now_s: float) -> None:
        if self._origin_ms is None:
            # The earliest arrival is the one that the network held up least; until the agent is heard it may be found.
            self._hears_caller = True
            self._media.arrived(offset + len(pcm) // SAMPLE_BYTES, now_s * 1_000)
        if offset > self._position(now_s) + samples_from_ms(AHEAD_MS_MAX):
            self.ahead_samples += len(pcm) // SAMPLE_BYTES
        else:
            self._track.write_caller(offset, pcm)

    # --- the agent

    def _at(self, now_s: float) -> int:
        """The present position; from the first question on the timeline stays where it is."""
        if self._origin_ms is None:
            self._origin_ms = self.origin_ms
        return self._position(now_s)

    def _position(self, now_s: float) -> int:
        return max(0, int((now_s - self.origin_ms / 1_000) * SAMPLE_RATE_HZ))

    def _keep_played(self) -> None:
        """Writes what the loudspeaker has played since it was last asked."""
        stretches = self._speaker.stretches
        for stretch in stretches[self._seen_stretches :]:
            begin = max(stretch.start_samples, self._seen_until)
            if stretch.end_samples > begin:
                pcm = self._take((stretch.end_samples - begin) * SAMPLE_BYTES)
                self._track.write_agent(begin, pcm)
                self._seen_until = stretch.end_samples
        self._seen_stretches = max(0, len(stretches) - 1)  # the last one may still grow

    def _take(self, length_bytes: int) -> bytes:
        """The next sound in the order of its playing."""
        parts: list[bytes] = []
        while length_bytes and self._unplayed:
            run_id, pcm = self._unplayed.popleft()
            if len(pcm) > length_bytes:
                self._unplayed.appendleft((run_id, pcm[length_bytes:]))
                pcm = pcm[:length_bytes]
            parts.append(pcm)
            length_bytes -= len(pcm)
        return b"".join(parts)

    def _flush(self, run_id: int, now_s: float) -> None:
        self._flushed_at = self._at(now_s)
        self._speaker.flush(run_id, self._flushed_at)
        self._keep_played()
        self._flushed_run_id = max(self._flushed_run_id, run_id)
        self._dropped = b"".join(pcm for each, pcm in self._unplayed if each == run_id)
        self._unplayed = deque(item for item in self._unplayed if item[0] != run_id)

    def _correct(self, run_id: int, played_samples: int) -> None:
        """Puts right how much of a flushed run was heard, now that the edge has told."""
        more = played_samples - self._speaker.played(run_id)
        added = self._dropped[: max(0, more) * SAMPLE_BYTES]
        self._dropped = b""
        if added:
            nothing = RunPlayed(start_samples=self._flushed_at, end_samples=self._flushed_at)
            run = self._speaker.runs.setdefault(run_id, nothing)
            self._track.write_agent(run.end_samples, added)
            run.end_samples += len(added) // SAMPLE_BYTES
            run.played_samples += len(added) // SAMPLE_BYTES
        elif more < 0:
            self._silence(run_id, -more)

    def _silence(self, run_id: int, samples: int) -> None:
        """Takes back the last `samples` that were put of a run; one of which nothing is left was not heard at all."""
        run = self._speaker.runs[run_id]
        for stretch in reversed(self._speaker.stretches):
            if not samples:
                break
            if stretch.run_id != run_id:
                continue
            taken = min(samples, stretch.end_samples - stretch.start_samples)
            stretch.end_samples -= taken
            self._track.write_agent(stretch.end_samples, bytes(taken * SAMPLE_BYTES))
            run.played_samples -= taken
            run.end_samples = stretch.end_samples
            samples -= taken
        if not run.played_samples:
            del self._speaker.runs[run_id]
