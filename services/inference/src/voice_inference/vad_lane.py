"""Voice activity detection for all sessions: one thread, one batched call per tick.

Sessions submit windows; the worker takes one window of every session that has any and scores them together. Windows of
many sessions come at any moment, so with many it waits a little for others to join. A session that is more than half a
second behind loses its oldest windows, which is counted: old sound is not worth judging.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_inference.engines.base import FloatSamples, VadEngine

WINDOWS_WAITING_MAX: Final = 16
"""Windows of 32 ms one session may have waiting: about half a second."""

FEW_SESSIONS: Final = 8
"""So many sessions wait for nobody: a window is due every 4 ms or less often, and few would join."""

JOIN_S: Final = 0.004
"""How long the first window waits for others when there are more sessions: an eighth of what it lasts."""

QUIET: Final = 0.2
"""Speech probability below which a window counts as silence."""

FORGET_AFTER_WINDOWS: Final = 62
"""After about two seconds of silence the recurrent state begins anew.

Left alone it drifts during silence: measured on six clips after 3 and 8 s of silence, at four alignments, 7 of 48
onsets were never found (10 with faint noise), 1 with this.
"""

Scored = Callable[[int, float], None]
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
    """The worker thread over all streams. `join_s`: how long a window waits for those of others, with many sessions."""

    def __init__(self, engine: VadEngine, loop: asyncio.AbstractEventLoop, *, join_s: float = JOIN_S) -> None:
        self.engine = engine
        self._join_s = join_s
        self._loop = loop
        self._wakeup = threading.Condition()
        self._streams: list[VadStream] = []
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
            if len(stream.waiting) >= WINDOWS_WAITING_MAX:
                stream.waiting.popleft()
                stream.dropped_windows += 1
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

    def close(self, timeout_s: float = 1.0) -> bool:
        """Ends the worker; whether it ended within `timeout_s`."""
        with self._wakeup:
            self._closed = True
            self._closing.set()
            self._wakeup.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._wakeup:
                while not self._closed and not any(stream.waiting for stream in self._streams):
                    self._idle = True
                    self._wakeup.wait()
                self._idle = False
                many = len(self._streams) > FEW_SESSIONS
            if many:
                self._closing.wait(self._join_s)
            with self._wakeup:
                if self._closed:
                    return
                batch = [(stream, *stream.waiting.popleft()) for stream in self._streams if stream.waiting]
            if batch:
                self._score(batch)

    def _score(self, batch: list[tuple[VadStream, int, FloatSamples]]) -> None:
        try:
            probabilities, states = self.engine.score(
                np.stack([window for _, _, window in batch]), [stream.state for stream, _, _ in batch]
            )
        except Exception as error:
            self._post([(stream, partial(stream.failed, error)) for stream, _, _ in batch])
            return
        told: list[tuple[VadStream, Callable[[], None]]] = []
        for (stream, start_samples, _), probability, state in zip(batch, probabilities.tolist(), states, strict=True):
            stream.quiet_windows = stream.quiet_windows + 1 if probability < QUIET else 0
            stream.state = state
            if stream.quiet_windows >= FORGET_AFTER_WINDOWS:
                stream.state, stream.quiet_windows = self.engine.new_state(), 0
            told.append((stream, partial(stream.scored, start_samples, probability)))
        self._post(told)

    def _post(self, told: list[tuple[VadStream, Callable[[], None]]]) -> None:
        """Tells the sessions of a batch, with one wake-up of the event loop."""
        try:
            self._loop.call_soon_threadsafe(self._tell, told)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _tell(self, told: list[tuple[VadStream, Callable[[], None]]]) -> None:
        for stream, tell in told:
            if stream.closed:
                continue
            try:
                tell()
            except Exception as error:
                # One session's mistake, which the loop reports as it would if it had called it; the others are told.
                self._loop.call_exception_handler({"message": "a session failed over a VAD score", "exception": error})
