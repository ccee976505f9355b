"""Watches the clock for a session: its one timer, the edge's heartbeat, the journal's flush."""

import asyncio
from typing import Final

from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS
from voice_contract.messages import Heartbeat
from voice_orchestrator.runtime.clock import TIMER_SLACK_S, SessionClock
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.ports import JournalSink
from voice_orchestrator.runtime.send_pump import SendPump
from voice_orchestrator.session import events

JOURNAL_FLUSH_BEATS: Final = 4
"""The journal is flushed every so many heartbeats: once a second."""


class Monitor:
    """Brings a Tick when the armed time has come; whatever was armed before is replaced."""

    def __init__(self, mailbox: Mailbox, clock: SessionClock, pump: SendPump, journal: JournalSink) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._pump = pump
        self._journal = journal
        self._due_ms: int | None = None
        self._changed = asyncio.Event()

    def arm(self, due_ms: int | None) -> None:
        """Sets the time of the next Tick, session milliseconds; None: no Tick."""
        if due_ms != self._due_ms:
            self._due_ms = due_ms
            self._changed.set()

    async def run_timer(self) -> None:
        """Brings Ticks until it is cancelled."""
        while True:
            self._changed.clear()
            due_ms = self._due_ms
            wait_s = None if due_ms is None else due_ms / 1_000 - self._clock.now_s()
            if wait_s is not None and wait_s <= TIMER_SLACK_S:
                self._due_ms = None
                await self._mailbox.put(events.Tick(at_ms=max(due_ms or 0, self._clock.now_ms())))
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def run_heartbeat(self) -> None:
        """Tells the edge that the session lives, until it is cancelled."""
        beats = 0
        while True:
            self._pump.put(Heartbeat())
            beats += 1
            if beats % JOURNAL_FLUSH_BEATS == 0:
                self._journal.flush()
            await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)
