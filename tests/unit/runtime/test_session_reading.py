"""What can be read off a running session."""

import asyncio

from support.scripted_inference import ScriptedInference, ScriptedStream
from support.session_script import policy
from support.virtual_call import VirtualCall, make_call, speech
from support.virtual_time import elapse, run_virtual

from voice_orchestrator.runtime.inference_outbox import CALLER_SOUND_MS_MAX
from voice_orchestrator.runtime.session_reading import SoundDrop


def test_sound_that_waits_and_what_of_it_was_dropped_are_read_while_the_call_runs() -> None:
    node, box = ScriptedInference(), list[VirtualCall]()
    seen: list[tuple[int, int]] = []

    def stall(stream: ScriptedStream) -> None:
        async def never(*args: object) -> None:
            await asyncio.Event().wait()

        stream.send = never  # type: ignore[assignment, method-assign]

    node.on_open = stall

    async def look() -> None:
        for _ in range(8):
            await elapse(0.2)
            reading = box[0].runtime.reading()
            depths = {queue.queue: queue.depth for queue in reading.queues}
            seen.append((depths["caller_sound_ms"], reading.sound_dropped[SoundDrop.CALLER_LATE]))
            for queue in reading.queues:
                assert queue.depth <= queue.limit

    run_virtual(make_call(policy(), (speech(1.0),), node, answer_wait_s=1.0, during=look(), call_box=box))
    assert seen[0][1] == 0
    assert max(depth for depth, _ in seen) == CALLER_SOUND_MS_MAX
    dropped = [samples for _, samples in seen]
    assert dropped == sorted(dropped)
    assert dropped[-1] > 0


def test_heartbeats_that_stay_away_are_counted() -> None:
    node, box = ScriptedInference(), list[VirtualCall]()

    async def fall_silent() -> None:
        await elapse(0.3)
        node.streams[0].silent = True
        await elapse(0.8)
        node.streams[0].silent = False

    made = run_virtual(make_call(policy(), (speech(0.2),), node, during=fall_silent(), call_box=box))
    assert made.runtime.reading().heartbeats_missed in (2, 3)
