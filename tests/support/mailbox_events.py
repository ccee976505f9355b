"""What lies in a session's mailbox."""

import asyncio

from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.session.events import SessionEvent


async def take_all(mailbox: Mailbox) -> list[SessionEvent]:
    """Everything that waits, in order; does not wait for more."""
    found: list[SessionEvent] = []
    try:
        while True:
            async with asyncio.timeout(0):
                found.append(await mailbox.get())
    except TimeoutError:
        return found
