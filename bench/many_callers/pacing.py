"""How exactly sound keeps its pace through the orchestrator, from the logs of callers and nodes.

Every stamp is CLOCK_MONOTONIC, which the processes of one machine share. Two views: what the orchestrator itself does,
by the stamps it puts on the events it sends, and end to end, which has the bench's own delays in it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from many_callers.caller import CallLog, FrameIn
from support.node_log import Arrival

from voice_contract.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ

LEAD_S: Final = 0.04
"""How far ahead of its time sound leaves: the first frames of a run go at once, see the send pump."""


@dataclass(slots=True, kw_only=True)
class Pacing:
    """Delays, seconds.

    left, came: agent frames behind their ideal times, by the orchestrator's stamps and as they reached the edge.
    through: caller frames from the edge until the orchestrator sent them on; arrived: until the node had them.
    """

    left: list[float] = field(default_factory=list)
    came: list[float] = field(default_factory=list)
    through: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)

    def add_agent(self, frames: Iterable[FrameIn]) -> None:
        """Frames of one caller's agent."""
        runs: dict[int, list[FrameIn]] = {}
        for frame in frames:
            runs.setdefault(frame.run_id, []).append(frame)
        for run in runs.values():
            self.left += behind_ideal(run, lambda frame: frame.sent_s)
            self.came += behind_ideal(run, lambda frame: frame.came_s)

    def add_caller(self, log: CallLog, arrivals: Iterable[Arrival], since_s: float) -> None:
        """Frames of one caller, as far as they were spoken after `since_s`."""
        for arrival in arrivals:
            number = arrival.offset_samples // FRAME_SAMPLES
            if number < len(log.sent_s) and log.sent_s[number] >= since_s:
                self.through.append(arrival.sent_s - log.sent_s[number])
                self.arrived.append(arrival.arrived_s - log.sent_s[number])


def behind_ideal(run: list[FrameIn], at_s: Callable[[FrameIn], float]) -> list[float]:
    """How late each frame of a run was, seconds.

    Its ideal time follows from its place in the run; the run's origin is that of the frame that was least late, so a
    delay all frames share does not count.
    """
    origins = [at_s(frame) - max(0.0, frame.offset_samples / SAMPLE_RATE_HZ - LEAD_S) for frame in run]
    first = min(origins)
    return [origin - first for origin in origins]
