"""What waits for the inference node, in order: sound is bounded by its age, control by its number."""

import asyncio
from collections import deque
from typing import Final

from voice_contract import messages as m
from voice_contract.audio import SAMPLE_BYTES, SAMPLES_PER_MS, VAD_WINDOW_SAMPLES
from voice_contract.failures import FailureReason
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.ports import StreamLostError

CALLER_SOUND_MS_MAX: Final = 500
"""Caller sound that may wait for the node, and for how long; older sound is dropped: nobody wants to be heard late."""

CONTROL_MESSAGES_MAX: Final = 256


class InferenceOutbox:
    """Of one stream. Senders never wait.

    Sound waits until it completes a window of the node's voice activity detection, which hears nothing sooner for it:
    31 messages a second instead of the 50 of an edge's frames. Control closes what is there before it.
    """

    def __init__(self, clock: SessionClock) -> None:
        self._clock = clock
        self._waiting: deque[tuple[m.Payload, int, float]] = deque()
        self._open: list[m.Audio] = []
        self._open_at_s = 0.0
        self._origin_samples = 0
        self._end_samples: int | None = None
        self._samples = 0
        self._controls = 0
        self._wakeup = asyncio.Event()
        self._overflowed = False
        self.dropped_samples = 0
        self.taken = 0
        """Messages that left."""

    @property
    def waiting_ms(self) -> int:
        """Caller sound that waits."""
        return self._samples // SAMPLES_PER_MS

    @property
    def queued(self) -> int:
        """Messages that leave as soon as the node takes them."""
        return len(self._waiting)

    @property
    def waiting_controls(self) -> int:
        """Control messages that wait."""
        return self._controls

    def put_audio(self, audio: m.Audio) -> None:
        """Adds caller sound at the end; the oldest goes when too much waits."""
        samples = _samples(audio)
        if audio.offset_samples != self._end_samples:
            # The first sound, or some was lost: windows begin anew.
            self._close_piece()
            self._origin_samples = self._end_samples = audio.offset_samples
        windows = (self._end_samples - self._origin_samples) // VAD_WINDOW_SAMPLES
        self._end_samples += samples
        self._samples += samples
        if not self._open:
            self._open_at_s = self._clock.now_s()
        self._open.append(audio)
        if (self._end_samples - self._origin_samples) // VAD_WINDOW_SAMPLES > windows:
            self._close_piece()
        while self._samples > CALLER_SOUND_MS_MAX * SAMPLES_PER_MS:
            oldest = next(item for item in self._waiting if isinstance(item[0], m.Audio))
            self._waiting.remove(oldest)
            self._drop(oldest[0])

    def _close_piece(self) -> None:
        if not self._open:
            return
        piece = self._open[0]
        if len(self._open) > 1:
            piece = m.Audio(pcm=b"".join(each.pcm for each in self._open), offset_samples=piece.offset_samples)
        self._open = []
        self._waiting.append((piece, 0, self._open_at_s))
        self._wakeup.set()

    def put(self, payload: m.Payload, run_id: int) -> None:
        """Adds a control message at the end; when too many wait the stream is given up."""
        if self._controls >= CONTROL_MESSAGES_MAX:
            self._overflowed = True
        else:
            self._close_piece()
            self._controls += 1
            self._waiting.append((payload, run_id, 0.0))
        self._wakeup.set()

    async def get(self) -> tuple[m.Payload, int]:
        """The next message; raises StreamLostError when the node reads nothing."""
        while True:
            while not self._waiting:
                if self._overflowed:
                    raise StreamLostError(FailureReason.PEER_SILENT, "the inference node reads nothing")
                self._wakeup.clear()
                await self._wakeup.wait()
            payload, run_id, put_at_s = self._waiting.popleft()
            if not isinstance(payload, m.Audio):
                self._controls -= 1
            elif self._clock.now_s() - put_at_s > CALLER_SOUND_MS_MAX / 1_000:
                self._drop(payload)
                continue
            else:
                self._samples -= _samples(payload)
            self.taken += 1
            return payload, run_id

    def _drop(self, payload: m.Payload) -> None:
        assert isinstance(payload, m.Audio), "control is never dropped"
        self._samples -= _samples(payload)
        self.dropped_samples += _samples(payload)


def _samples(audio: m.Audio) -> int:
    return len(audio.pcm) // SAMPLE_BYTES
