"""The queue of everything that happens to a session."""

import asyncio

from support.mailbox_events import take_all
from support.virtual_time import elapse, run_virtual

from voice_orchestrator.runtime.mailbox import MAILBOX_EVENTS_MAX, Mailbox
from voice_orchestrator.session.events import Tick


def numbered(count: int, first: int = 0) -> list[Tick]:
    return [Tick(at_ms=first + number) for number in range(count)]


async def filled() -> Mailbox:
    mailbox = Mailbox()
    for event in numbered(MAILBOX_EVENTS_MAX):
        await mailbox.put(event)
    return mailbox


async def test_events_come_out_in_the_order_in_which_they_happened() -> None:
    mailbox = Mailbox()
    for event in numbered(5):
        await mailbox.put(event)
    assert mailbox.put_now(Tick(at_ms=5))
    assert await take_all(mailbox) == numbered(6)


async def test_a_full_mailbox_refuses_what_cannot_wait_and_keeps_what_it_has() -> None:
    mailbox = await filled()
    assert not mailbox.put_now(Tick(at_ms=-1))
    assert await take_all(mailbox) == numbered(MAILBOX_EVENTS_MAX)


def test_a_sender_waits_until_there_is_room() -> None:
    async def story() -> None:
        mailbox = await filled()
        sender = asyncio.create_task(mailbox.put(Tick(at_ms=MAILBOX_EVENTS_MAX)))
        await elapse(10.0)
        assert not sender.done()
        assert await mailbox.get() == Tick(at_ms=0)
        await sender
        assert await take_all(mailbox) == numbered(MAILBOX_EVENTS_MAX, first=1)

    run_virtual(story())
