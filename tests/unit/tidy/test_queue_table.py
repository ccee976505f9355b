"""The table of queues and their limits in docs/LLD.md says what the code does."""

import inspect
import re
from pathlib import Path

import pytest
from support.promql import exported

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_inference.placement.model import Limits
from voice_inference.server.audio_ring import RING_SECONDS
from voice_inference.server.late_sound import SOUND_AGE_MS_MAX
from voice_inference.server.outbox import OUTBOX_MESSAGES_MAX
from voice_inference.server.reply_work import SEGMENTS_WAITING_MAX
from voice_inference.vad_lane import WINDOWS_WAITING_MAX
from voice_orchestrator.records import call_record, record_journal, writer
from voice_orchestrator.runtime.caller_sound import KEPT_MS_MAX
from voice_orchestrator.runtime.edge_pair import QUEUE_EVENTS_MAX
from voice_orchestrator.runtime.inference_outbox import CALLER_SOUND_MS_MAX, CONTROL_MESSAGES_MAX
from voice_orchestrator.runtime.mailbox import MAILBOX_EVENTS_MAX
from voice_orchestrator.runtime.output_buffer import HELD_SAMPLES_MAX
from voice_orchestrator.runtime.send_pump import CONTROL_EVENTS_MAX
from voice_orchestrator.runtime.session_runtime import SessionRuntime
from voice_orchestrator.session.history import HISTORY_ENTRIES_MAX
from voice_orchestrator.session.runs import SEGMENTS_AHEAD_MAX
from voice_orchestrator.traces.otlp import QUEUE_SPANS_MAX

QUEUES_READ = set(re.findall(r'\("(\w+_(?:events|messages|ms))", ', inspect.getsource(SessionRuntime.reading)))
LLD = Path(__file__).resolve().parents[3] / "docs" / "LLD.md"

LIMITS = {
    "traces: spans that wait for the receiver": QUEUE_SPANS_MAX,
    "mailbox of a session": MAILBOX_EVENTS_MAX,
    "edge stream, each direction": QUEUE_EVENTS_MAX,
    "control events to the edge": CONTROL_EVENTS_MAX,
    "agent sound waiting to be heard": HELD_SAMPLES_MAX // SAMPLE_RATE_HZ,
    "caller sound to the node": CALLER_SOUND_MS_MAX,
    "caller sound kept for a next node": KEPT_MS_MAX // 1_000,
    "control to the node": CONTROL_MESSAGES_MAX,
    "records: sound and lines of a call that wait for the disk": call_record.WAITING_BYTES_MAX >> 10,
    "records: lines of a call the writer did not take": record_journal.LINES_BYTES_MAX >> 10,
    "records: what waits for the disk, all calls": writer.WAITING_BYTES_MAX >> 20,
    "node: messages to the orchestrator": OUTBOX_MESSAGES_MAX,
    "node: caller sound in its sockets": SOUND_AGE_MS_MAX,
    "node: caller sound kept for transcription": RING_SECONDS,
    "node: jobs before each engine": Limits().queue,
    "node: VAD windows of a session": WINDOWS_WAITING_MAX,
    "node: segments of a run waiting": SEGMENTS_WAITING_MAX,
    "node: sessions": Limits().sessions,
    "segments synthesised ahead of what is heard": SEGMENTS_AHEAD_MAX,
    "history in the state": HISTORY_ENTRIES_MAX,
}


def rows() -> dict[str, str]:
    """Limit by queue, as the table has them."""
    return {row[0]: row[1] for row in table()}


def table() -> list[list[str]]:
    """Its rows without the head."""
    section = LLD.read_text(encoding="utf-8").split("### Queues and their limits")[1].split("###")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    return cells[2:]


@pytest.mark.parametrize("queue", LIMITS)
def test_a_limit_in_the_table_is_the_one_of_the_code(queue: str) -> None:
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", rows()[queue])]
    assert LIMITS[queue] in numbers


def test_every_row_is_looked_after() -> None:
    elsewhere = {"node: pieces of a synthesis ahead of their consumer"}
    assert set(rows()) == set(LIMITS) | elsewhere


@pytest.mark.parametrize("row", table(), ids=lambda row: str(row[0]))
def test_what_shows_a_queue_is_exported_and_looked_at(row: list[str]) -> None:
    known = {*exported(), "voice_trace_spans_total"}
    named = re.findall(r"`(voice_\w+)(?:{queue=\"(\w+)\"})?`", row[3])
    assert named or row[3].startswith("none: ")
    assert {metric for metric, _ in named} <= known
    assert {queue for _, queue in named if queue} <= QUEUES_READ


def test_every_queue_that_is_read_is_in_the_table() -> None:
    told = " ".join(row[3] for row in table())
    assert all(f'queue="{queue}"' in told for queue in QUEUES_READ)
