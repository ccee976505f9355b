"""The record of one call, given to whoever runs it: takes sound, steps and documents and never makes anybody wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from voice_contract.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from voice_orchestrator.records.call_files import CallFiles, ClosedRecord
from voice_orchestrator.records.entry import Part, RecordEntry, RecordState
from voice_orchestrator.records.record_journal import RecordJournal
from voice_orchestrator.records.wav_file import AGENT, CALLER, Chunk
from voice_orchestrator.records.writer import RecordWriter
from voice_orchestrator.runtime.cut_reason import CutReason
from voice_orchestrator.runtime.journal import JournalHeader

BATCH_BYTES: Final = 2 * SAMPLE_RATE_HZ * SAMPLE_BYTES
"""Sound is handed to the writer when so much of it is there, or when the journal is flushed: once a second."""

WAITING_BYTES_MAX: Final = 512 << 10
"""Sound of one call that may wait for the disk: eight seconds of both sides."""

CLOSE_DEADLINE_S: Final = 5.0
"""How long the end of a call waits for the disk; the writer goes on after it."""

log = structlog.get_logger(__name__)


class CallRecord:
    """Everything but `close` returns at once and never raises; to be called on the event loop of the call.

    Sound, journal and documents that cannot be kept are given up, the first reason of each is in `cut`. The call does
    not have to ask: what is given to a file that is over is dropped.
    """

    def __init__(
        self,
        files: CallFiles,
        entry: RecordEntry,
        header: JournalHeader,
        writer: RecordWriter,
        now: Callable[[], datetime],
    ) -> None:
        self._files = files
        self._entry = entry
        self._writer = writer
        self._now = now
        self._sound: list[Chunk] = []
        self._sound_bytes = 0
        self._offered_bytes = 0
        self._written_bytes = 0  # written by the writer's thread only
        self._closing: Future[ClosedRecord] | None = None
        self.journal = RecordJournal(header, self.flush, self._journal_overflowed)
        """The session's JournalSink."""
        self._begun = writer.offer(files.open, 0)
        if not self._begun:
            self._lose(Part.RECORDING)
            self._lose(Part.JOURNAL)

    @property
    def cut(self) -> dict[Part, CutReason]:
        """What is not kept any more, and why."""
        return dict(self._files.cut)

    def write_caller(self, position_samples: int, pcm: bytes) -> None:
        """Caller sound, 16,000 Hz s16le, at its place on the call's timeline; what was there is replaced."""
        self._write(position_samples, CALLER, pcm)

    def write_agent(self, position_samples: int, pcm: bytes) -> None:
        """Agent sound likewise, where the caller heard it."""
        self._write(position_samples, AGENT, pcm)

    def _write(self, position_samples: int, channel: int, pcm: bytes) -> None:
        if Part.RECORDING in self._files.cut or self._closing is not None:
            return
        self._sound.append(Chunk(position_samples, channel, pcm))
        self._sound_bytes += len(pcm)
        if self._sound_bytes >= BATCH_BYTES:
            self._flush_sound()

    def flush(self) -> None:
        """Hands what was collected to the writer."""
        if self._closing is None:
            self._flush_sound()
            self._flush_journal()

    def _flush_sound(self) -> None:
        sound, size_bytes = self._take_sound()
        if sound and not self._offer(partial(self._files.write_sound, sound), size_bytes):
            self._lose(Part.RECORDING)

    def _flush_journal(self) -> None:
        if Part.JOURNAL in self._files.cut:
            self.journal.stop()
            return
        lines = self.journal.take()
        # Refused lines wait for the next second: a journal with a hole would be worth nothing.
        if lines and not self._offer(partial(self._files.write_journal, lines), len(lines)):
            self.journal.put_back(lines)

    def _take_sound(self) -> tuple[list[Chunk], int]:
        taken = self._sound, self._sound_bytes
        self._sound, self._sound_bytes = [], 0
        return taken

    def _offer(self, job: Callable[[], None], size_bytes: int) -> bool:
        """Whether the writer took `job`; not while too much of this call waits already."""
        if self._offered_bytes - self._written_bytes + size_bytes > WAITING_BYTES_MAX:
            return False

        def done() -> None:
            try:
                job()
            finally:
                self._written_bytes += size_bytes

        if not self._writer.offer(done, size_bytes):
            return False
        self._offered_bytes += size_bytes
        return True

    def _journal_overflowed(self) -> None:
        self._lose(Part.JOURNAL)

    def _lose(self, part: Part) -> None:
        self._files.cut_short(part, CutReason.WRITER_BEHIND)

    async def close(self, report: object | None, transcript: object | None) -> ClosedRecord:
        """Ends the record with its documents, which nobody may change any more; None: there is none.

        Waits at most CLOSE_DEADLINE_S; where the disk takes longer the writer goes on, and what is given back is not
        `finished`. A cancellation does not stop the writer either. Later calls give what the first one gave.
        """
        if self._closing is None:
            self.journal.end()
            sound, _ = self._take_sound()
            finish = partial(self._files.finish, report=report, transcript=transcript, ended_at=self._now())
            closing: Future[ClosedRecord] = Future()
            self._closing = closing
            lines = self.journal.take()
            # A call that was never begun has no end either: ends are no more than calls that were taken.
            if not self._begun or not self._writer.post(partial(_finish, closing, self._files, sound, lines, finish)):
                closing.set_result(self._unfinished())
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                return await asyncio.shield(asyncio.wrap_future(self._closing))
        except TimeoutError:
            log.warning("record_close_waits_for_disk", session=self._entry.session_id)
            return self._unfinished()

    def _unfinished(self) -> ClosedRecord:
        entry = self._entry.model_copy(update={"state": RecordState.CUT, "cut": self.cut, "ended_at": self._now()})
        return ClosedRecord(folder=self._files.folder, entry=entry, finished=False)


def _finish(
    closing: "Future[ClosedRecord]",
    files: CallFiles,
    sound: list[Chunk],
    lines: bytes,
    finish: Callable[[], ClosedRecord],
) -> None:
    """The last work of a call on the writer's thread; nobody is left waiting whatever happens."""
    try:
        files.write_sound(sound)
        files.write_journal(lines)
        closing.set_result(finish())
    except BaseException as error:
        with suppress(Exception):
            closing.set_exception(error)
        raise
