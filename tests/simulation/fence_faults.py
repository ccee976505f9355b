"""Defects planted in the fence and the edge: `fence_faults.py NAME` says how many fenced schedules find one."""

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulation.faults import Fault, schedules_until_found

RUNTIME: Final = "voice_orchestrator.runtime"
EDGES: Final = "voice_orchestrator.edges"

FENCE_FAULTS: Final = (
    Fault(
        "a paused run goes on",
        "output_buffer",
        "run is None or run.status is not _Status.RELEASED:",
        "run is None or run.status is _Status.HELD:",
        RUNTIME,
    ),
    Fault(
        "a run is heard before its release",
        "output_buffer",
        "run is None or run.status is not _Status.RELEASED:",
        "run is None or run.status is _Status.PAUSED:",
        RUNTIME,
    ),
    Fault(
        "a flush keeps what waits",
        "output_buffer",
        "self.dropped_samples += self.waiting_samples\n            self._run = None\n",
        "self.dropped_samples += self.waiting_samples\n",
        RUNTIME,
    ),
    Fault(
        "a run is over while sound of it waits",
        "output_buffer",
        "if run.closed and not waiting:",
        "if run.closed:",
        RUNTIME,
    ),
    Fault("a frame leaves twice", "output_buffer", "        del run.pcm[: count * SAMPLE_BYTES]\n", "", RUNTIME),
    Fault(
        "a segment is played before its end", "output_buffer", "and bounds.end <= run.taken:", "and run.taken:", RUNTIME
    ),
    Fault(
        "a segment whose end is told late is never played",
        "output_buffer",
        "                bounds.end = run.received\n        return self._newly_played(run)",
        "                bounds.end = run.received\n        return ()",
        RUNTIME,
    ),
    Fault(
        "a pause loses the rest of a frame",
        "speaker",
        "                self._waiting.appendleft((run_id, samples[len(due) :]))\n",
        "                pass\n",
        EDGES,
    ),
    Fault(
        "a frame begins again after a pause",
        "speaker",
        "self._waiting.appendleft((run_id, samples[len(due) :]))",
        "self._waiting.appendleft((run_id, samples))",
        EDGES,
    ),
    Fault("the loudspeaker plays on in a pause", "speaker", "        self._paused = True\n", "", EDGES),
    Fault(
        "a flush leaves the loudspeaker paused",
        "speaker",
        "        self._paused = False\n        return self.played(run_id)",
        "        return self.played(run_id)",
        EDGES,
    ),
    Fault(
        "a flush leaves what waits in the loudspeaker",
        "speaker",
        "        self._waiting = deque(item for item in self._waiting if item[0] != run_id)\n",
        "",
        EDGES,
    ),
    Fault(
        "what waited is reported as played",
        "speaker",
        "        self._paused = False\n        return self.played(run_id)",
        "        self._paused = False\n        return self.played(run_id) + 320",
        EDGES,
    ),
    Fault(
        "a run is reported before it was played",
        "playout",
        "            if self._speaker.played(run_id) >= total:\n",
        "            if total:\n",
        EDGES,
    ),
)


if __name__ == "__main__":
    named = next(fault for fault in FENCE_FAULTS if fault.name == sys.argv[1])
    print(schedules_until_found(named, fenced=True))
