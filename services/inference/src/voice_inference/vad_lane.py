"""Voice activity detection for all sessions: one thread, one batched call per tick.

Sessions submit windows; the worker takes one window of every session that has any and scores them together. Windows of
many sessions come at any moment, so with many it lets some gather. A session that is more than half a second behind
loses its oldest windows, which is counted: old sound is not worth judging.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_inference.engines.base import FloatSamples, VadEngine

WINDOWS_WAITING_MAX: Final = 16
"""Windows of 32 ms one session may have waiting: about half a second."""

FEW_SESSIONS: Final = 8
"""So many sessions wait for nobody: a window is due every 4 ms or less often, and few would join."""

JOIN_S: Final = 0.026
"""How long windows gather when there are more sessions: less than one lasts.

A batch costs some 0.4 ms before its first window, most of it because the network's weights have left the caches since
the one before, and 0.02 ms for each window.
"""

QUIET: Final = 0.2
"""Speech probability below which a window counts as silence."""

FORGET_AFTER_WINDOWS: Final = 62
"""After about two seconds of silence the recurrent state begins anew.

Left alone it drifts during silence: measured on six clips after 3 and 8 s of silence, at four alignments, 7 of 48
onsets were never found (10 with faint noise), 1 with this.
"""

Scored = Callable[[int, float], None]
Waiting = tuple["VadStream", int, FloatSamples]
"""A session, where its window starts in samples, and the window."""
Failed = Callable[[Exception], None]


class VadStream:
    """One session's place in the lane. `scored(start_samples, probability)` is called on the event loop, in order."""

    def __init__(self, lane: "VadLane", state: NDArray[np.float32], scored: Scored, failed: Failed) -> None:
        self._lane = lane
        self.state = state
        self.scored = scored
        self.failed = failed
        self.waiting: deque[tuple[int, FloatSamples]] = deque()
        self.dropped_windows = 0
        self.quiet_windows = 0
        self.closed = False

    def submit(self, start_samples: int, window: FloatSamples) -> None:
        """Has a window scored; drops the session's oldest one when too many wait."""
        self._lane.submit(self, start_samples, window)

    def close(self) -> None:
        """Nothing is scored any more."""
        self._lane.remove(self)


class VadLane:
    """The worker thread over all streams.

    `join_s`: how long windows gather when there are many sessions; `waiting_max`: windows one session may have waiting.
    """

    def __init__(
        self,
        engine: VadEngine,
        loop: asyncio.AbstractEventLoop,
        *,
        join_s: float = JOIN_S,
        waiting_max: int = WINDOWS_WAITING_MAX,
    ) -> None:
        self.engine = engine
        self._join_s = join_s
        self._waiting_max = waiting_max
        self._loop = loop
        self._wakeup = threading.Condition()
        self._streams: list[VadStream] = []
        self._ready: list[VadStream] = []
        """Those with windows waiting."""
        self._closed = False
        self._closing = threading.Event()
        self._idle = False
        self._thread = threading.Thread(target=self._work, name="lane-vad", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Windows waiting, over all sessions."""
        return sum(len(stream.waiting) for stream in list(self._streams))

    def open(self, scored: Scored, failed: Failed) -> VadStream:
        """A place for a session that has heard nothing yet."""
        stream = VadStream(self, self.engine.new_state(), scored, failed)
        with self._wakeup:
            self._streams.append(stream)
        return stream

    def submit(self, stream: VadStream, start_samples: int, window: FloatSamples) -> None:
        """See VadStream.submit."""
        with self._wakeup:
            if stream.closed:
                return
            if len(stream.waiting) >= self._waiting_max:
                stream.waiting.popleft()
                stream.dropped_windows += 1
            if not stream.waiting:
                self._ready.append(stream)
            stream.waiting.append((start_samples, window))
            if self._idle:
                self._idle = False
                self._wakeup.notify()

    def remove(self, stream: VadStream) -> None:
        """See VadStream.close."""
        with self._wakeup:
            stream.closed = True
            stream.waiting.clear()
            if stream in self._streams:
                self._streams.remove(stream)
            if stream in self._ready:
                self._ready.remove(stream)

    def close(self, timeout_s: float = 1.0) -> bool:
        """Ends the worker; whether it ended within `timeout_s`."""
        with self._wakeup:
            self._closed = True
            self._closing.set()
            self._wakeup.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._score(batch)

    def _next_batch(self) -> list[Waiting]:
        """Waits for windows and takes the first of every session that has any; none once the lane is closed.

        Among many sessions whose sound keeps coming, the worker sleeps once for every batch and nobody wakes it.
        """
        while True:
            if len(self._streams) > FEW_SESSIONS:
                self._closing.wait(self._join_s)
            with self._wakeup:
                if self._ready and not self._closed:
                    return self._take()
                while not self._ready and not self._closed:
                    self._idle = True
                    self._wakeup.wait()
                self._idle = False
                if self._closed:
                    return []
                if len(self._streams) <= FEW_SESSIONS:
                    return self._take()

    def _take(self) -> list[Waiting]:
        batch = [(stream, *stream.waiting.popleft()) for stream in self._ready]
        self._ready = [stream for stream in self._ready if stream.waiting]
        return batch

    def _score(self, batch: list[Waiting]) -> None:
        try:
            probabilities, states = self.engine.score(
                np.stack([window for _, _, window in batch]), [stream.state for stream, _, _ in batch]
            )
        except Exception as error:
            self._post(self._tell_failed, [stream for stream, _, _ in batch], error)
            return
        scores: list[float] = probabilities.tolist()
        for (stream, _, _), probability, state in zip(batch, scores, states, strict=True):
            stream.quiet_windows = stream.quiet_windows + 1 if probability < QUIET else 0
            stream.state = state
            if stream.quiet_windows >= FORGET_AFTER_WINDOWS:
                stream.state, stream.quiet_windows = self.engine.new_state(), 0
        self._post(self._tell_scored, batch, scores)

    def _post(self, tell: Callable[..., None], *told: object) -> None:
        """Tells the sessions of a batch, with one wake-up of the event loop."""
        try:
            self._loop.call_soon_threadsafe(tell, *told)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _tell_scored(self, batch: list[Waiting], scores: list[float]) -> None:
        for (stream, start_samples, _), probability in zip(batch, scores, strict=True):
            if stream.closed:
                continue
            try:
                stream.scored(start_samples, probability)
            except Exception as error:
                self._report(error)

    def _tell_failed(self, streams: list[VadStream], reason: Exception) -> None:
        for stream in streams:
            if stream.closed:
                continue
            try:
                stream.failed(reason)
            except Exception as error:
                self._report(error)

    def _report(self, error: Exception) -> None:
        """One session's mistake, as the loop would report it had it called the session; the others are told."""
        self._loop.call_exception_handler({"message": "a session failed over a VAD score", "exception": error})
