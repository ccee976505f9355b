"""The agent's sound on its way out: inner PCM of a run becomes the edge's format, and played positions come back."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_contract.audio import samples_from_bytes
from voice_contract.messages import AudioFormat
from voice_orchestrator.line.edge_format import EdgeFormat
from voice_orchestrator.line.resampler import HALVING, Resampler

RUNS_KEPT_MAX: Final = 16
"""Runs whose lengths are remembered: the live one and those whose edge has yet to say what it played."""


@dataclass(slots=True)
class _Sent:
    """How much of a run came in, inner samples, and went out, edge samples."""

    inner: int = 0
    edge: int = 0
    ended: bool = False


class AgentLine:
    """One call's way out, run after run; run ids grow.

    A run begins behind silence, whatever was held back of the one before. At 8 kHz up to `HOLD_BACK_SAMPLES` inner
    samples (3.4 ms) of a run leave with its next sound or with `finish`; 16 kHz holds nothing back, and s16le at 16 kHz
    passes as it is. Raises ValueError when sound of the format is not converted.
    """

    def __init__(self, format_: AudioFormat) -> None:
        self._edge = EdgeFormat.of(format_)
        self._resampler: Resampler | None = None
        self._run_id = 0
        self._sent: dict[int, _Sent] = {}

    def feed(self, run_id: int, pcm: bytes) -> bytes:
        """Edge sound that follows what was given of the run before; empty while all of it is held back.

        Raises ValueError when `pcm` ends in the middle of a sample, the run has ended or a later one has begun.
        """
        samples = samples_from_bytes(len(pcm))
        sent = self._live(run_id)
        if sent.ended:
            raise ValueError(f"run {run_id} has ended and can have no more sound")
        sent.inner += samples
        if self._edge.is_inner:
            sent.edge += samples
            return pcm
        sound = np.frombuffer(pcm, dtype=np.int16)
        if self._resampler is not None:
            sound = self._resampler.feed(sound)
        sent.edge += len(sound)
        return self._edge.encode(sound)

    def finish(self, run_id: int) -> bytes:
        """What was held back of the run, to its exact length: `edge_samples` of all that came in.

        Raises ValueError when a later run has begun. Gives nothing the second time.
        """
        sent = self._live(run_id)
        if sent.ended:
            return b""
        sent.ended = True
        if self._resampler is None:
            return b""
        tail = self._resampler.finish()
        sent.edge += len(tail)
        return self._edge.encode(tail)

    def sent_samples(self, run_id: int) -> int:
        """Where the run's next sound begins, edge samples; 0 for a run that is not known (any more)."""
        return self._sent.get(run_id, _Sent()).edge

    def edge_samples(self, inner_samples: int) -> int:
        """Edge position of an inner position; at 8 kHz an odd one is rounded up."""
        return self._edge.edge_samples(inner_samples)

    def inner_samples(self, run_id: int, edge_samples: int) -> int:
        """Inner position of an edge position of the run, never behind what was sent; 0 for a run that is not known."""
        sent = self._sent.get(run_id, _Sent())
        return min(self._edge.inner_samples(min(edge_samples, sent.edge)), sent.inner)

    def _live(self, run_id: int) -> _Sent:
        """The run's account, made when the run is new."""
        if run_id < self._run_id:
            raise ValueError(f"run {run_id} was followed by run {self._run_id} and can have no more sound")
        if run_id not in self._sent:
            self._run_id = run_id
            self._sent[run_id] = _Sent()
            self._resampler = Resampler(HALVING) if self._edge.inner_per_edge == 2 else None
            if len(self._sent) > RUNS_KEPT_MAX:
                del self._sent[next(iter(self._sent))]
        return self._sent[run_id]
