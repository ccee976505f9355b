"""Caller sound that stays away is noticed once, and again only after it came back."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from support.mailbox_events import take_all
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_MS, FRAME_SAMPLES
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.sound_watch import SOUND_LOST_AFTER_MS, SoundWatch
from voice_orchestrator.session import events

JUST_BEFORE_S = SOUND_LOST_AFTER_MS / 1_000 - 0.002
JUST_AFTER_S = 0.004


@dataclass(slots=True, kw_only=True)
class Rig:
    """A watch that runs."""

    clock: SessionClock
    mailbox: Mailbox
    media: MediaClock
    watch: SoundWatch
    frames: int = 0

    async def hear(self, count: int) -> None:
        """Frames arrive in real time."""
        for _ in range(count):
            await elapse(FRAME_MS / 1_000)
            self.frames += 1
            self.media.arrived(self.frames * FRAME_SAMPLES, self.clock.now_s() * 1_000)
            self.watch.arrived(self.frames * FRAME_SAMPLES)

    async def losses(self) -> list[events.CallerSoundLost]:
        told = await take_all(self.mailbox)
        lost = [event for event in told if isinstance(event, events.CallerSoundLost)]
        assert len(lost) == len(told)
        return lost


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        clock, mailbox, media = virtual_clock(), Mailbox(), MediaClock()
        watch = SoundWatch(mailbox, clock, media)
        running = asyncio.create_task(watch.run())
        await story(Rig(clock=clock, mailbox=mailbox, media=media, watch=watch))
        running.cancel()
        await asyncio.wait((running,))

    run_virtual(run())


def test_sound_that_keeps_coming_is_not_lost() -> None:
    async def story(rig: Rig) -> None:
        rig.watch.listen()
        await rig.hear(500)
        await elapse(JUST_BEFORE_S)
        assert await rig.losses() == []

    with_rig(story)


def test_a_loss_is_told_once_with_the_place_where_the_sound_ended() -> None:
    async def story(rig: Rig) -> None:
        rig.watch.listen()
        await rig.hear(100)
        await elapse(JUST_BEFORE_S)
        assert await rig.losses() == []
        await elapse(JUST_AFTER_S)
        (lost,) = await rig.losses()
        assert lost.offset_samples == 100 * FRAME_SAMPLES
        assert abs(lost.spoken_at_ms - 2_000) <= 1
        assert abs(lost.at_ms - 2_000 - SOUND_LOST_AFTER_MS) <= 2
        await elapse(60.0)
        assert await rig.losses() == []

    with_rig(story)


def test_sound_that_came_back_can_be_lost_again() -> None:
    async def story(rig: Rig) -> None:
        rig.watch.listen()
        await rig.hear(10)
        await elapse(5.0)
        await rig.hear(1)
        assert len(await rig.losses()) == 1
        await elapse(5.0)
        (lost,) = await rig.losses()
        assert lost.offset_samples == 11 * FRAME_SAMPLES

    with_rig(story)


def test_sound_that_never_came_is_lost_at_the_beginning() -> None:
    async def story(rig: Rig) -> None:
        await elapse(3.0)
        rig.watch.listen()
        await elapse(JUST_BEFORE_S)
        assert await rig.losses() == []
        await elapse(JUST_AFTER_S)
        assert [lost.offset_samples for lost in await rig.losses()] == [0]

    with_rig(story)


def test_nothing_is_lost_in_a_call_without_caller_sound() -> None:
    async def story(rig: Rig) -> None:
        await elapse(60.0)
        assert await rig.losses() == []

    with_rig(story)
