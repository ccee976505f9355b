"""docs/edge.md names everything the edge stream has, and its numbers are those of the code."""

from pathlib import Path

import pytest

from voice_agent.v1 import control_pb2, failure_pb2
from voice_contract import channel_options
from voice_orchestrator.line.caller_line import FRAME_MS_MAX
from voice_orchestrator.line.resampler import HOLD_BACK_SAMPLES
from voice_orchestrator.runtime import edge_stream, inference_outbox, send_pump
from voice_orchestrator.service import admission, line_edge
from voice_orchestrator.session.policy import StageDeadlines

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "edge.md").read_text(encoding="utf-8")
ONE_LINE = " ".join(TEXT.split())
EDGE_NUMBERS_MAX = 29
"""Arms above this number are of the inference stream."""

ARMS = [field.name for field in control_pb2.Control.DESCRIPTOR.fields if field.number <= EDGE_NUMBERS_MAX]
REASONS = [name.removeprefix("FAILURE_REASON_") for name in failure_pb2.FailureReason.keys()[1:]]
CAUSES = [name.removeprefix("END_CAUSE_") for name in control_pb2.EndCause.keys()[1:]]


@pytest.mark.parametrize("arm", [*ARMS, "audio", "transcript"])
def test_every_arm_of_the_edge_stream_has_a_row(arm: str) -> None:
    assert any(f"`{arm}`" in line for line in TEXT.splitlines() if line.startswith("| `"))


@pytest.mark.parametrize("name", [*REASONS, *CAUSES])
def test_every_reason_and_every_cause_is_explained(name: str) -> None:
    assert any(name in line for line in TEXT.splitlines() if line.startswith("| "))


@pytest.mark.parametrize(
    "statement",
    [
        f"heartbeat` every {channel_options.HEARTBEAT_INTERVAL_MS} ms",
        f"{channel_options.PEER_SILENT_AFTER_MS // 1_000} s without any event",
        f"`pcm` above {channel_options.AUDIO_BYTES_MAX >> 10} KiB",
        f"a message above {channel_options.MESSAGE_BYTES_MAX >> 20} MiB",
        f"nothing taken for {edge_stream.WRITE_DEADLINE_S:g} s",
        f"sound more than {line_edge.SOUND_AHEAD_S:g} s ahead",
        f"more than {line_edge.EVENTS_PER_S} events a second, {line_edge.EVENTS_AHEAD} ahead",
        f"a frame longer than {FRAME_MS_MAX} ms",
        f"at most {send_pump.LEAD_S * 1_000:g} ms before it is due",
        f"node longer than {inference_outbox.CALLER_SOUND_MS_MAX} ms is dropped",
        f"holds back {HOLD_BACK_SAMPLES / 16:.1f} ms",
        f"up to {-(-HOLD_BACK_SAMPLES // 2)} samples",
        f"CAPACITY_EXHAUSTED | {admission.BUSY_RETRY_MS // 1_000} s |",
        f"DRAINING | {admission.DRAINING_RETRY_MS // 1_000} s |",
        f"INFERENCE_LOST | {admission.DRAINING_RETRY_MS // 1_000} s |",
        f"not reported within {StageDeadlines().flush_report_ms} ms of a flush",
        f"not reported within {StageDeadlines().playout_ms // 1_000} s of its expected end",
        f"could be had for {StageDeadlines().connect_ms // 1_000} s",
    ],
)
def test_its_numbers_are_those_of_the_code(statement: str) -> None:
    assert statement in ONE_LINE
