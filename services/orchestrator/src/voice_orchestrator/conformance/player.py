"""An edge's loudspeaker without sound: counts which samples of which run would have been heard by now. Pure."""

from collections import deque


class Player:
    """Samples of `rate_hz` are heard at that rate, in the order in which they came, but while it is paused."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._waiting: deque[tuple[int, int]] = deque()
        self._cursor = 0
        self._paused = False
        self._played: dict[int, int] = {}

    def push(self, run_id: int, samples: int, now_s: float) -> None:
        """Sound came; it is heard after what waits."""
        self.advance(now_s)
        self._waiting.append((run_id, samples))

    def advance(self, now_s: float) -> None:
        """Plays until now."""
        now = int(now_s * self._rate_hz)
        while self._waiting and not self._paused and self._cursor < now:
            run_id, samples = self._waiting.popleft()
            heard = min(samples, now - self._cursor)
            self._cursor += heard
            self._played[run_id] = self._played.get(run_id, 0) + heard
            if heard < samples:
                self._waiting.appendleft((run_id, samples - heard))
        self._cursor = max(self._cursor, now)

    def pause(self, now_s: float) -> None:
        """Nothing is heard until `resume`."""
        self.advance(now_s)
        self._paused = True

    def resume(self, now_s: float) -> None:
        """Goes on at the sample where it stopped."""
        self.advance(now_s)
        self._paused = False

    def flush(self, run_id: int, now_s: float) -> int:
        """Drops what waits of a run; gives how many of its samples were heard."""
        self.advance(now_s)
        self._waiting = deque(item for item in self._waiting if item[0] != run_id)
        self._paused = False
        return self.played(run_id)

    def played(self, run_id: int) -> int:
        """Samples of a run that were heard."""
        return self._played.get(run_id, 0)
