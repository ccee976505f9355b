"""The metrics of the whole service: their names and labels, and the gauges that are brought up to date."""

from prometheus_client.exposition import generate_latest
from support.fake_directory import FakeDirectory, session_info
from support.measured_script import Measured
from support.session_journal import long_call
from support.session_script import Script

from voice_contract.failures import FailureReason
from voice_contract.messages import EndCause, Phase
from voice_orchestrator.records.entry import Part
from voice_orchestrator.records.store import RecordStats
from voice_orchestrator.runtime.cut_reason import CutReason
from voice_orchestrator.runtime.session_reading import QueueReading, SessionReading
from voice_orchestrator.service.directory import NodeInfo
from voice_orchestrator.service.metrics import ServiceMetrics

LABELS = {
    "cause",
    "direction",
    "face",
    "origin",
    "outcome",
    "part",
    "phase",
    "profile",
    "queue",
    "reason",
    "stage",
    "tool",
}


def test_nothing_of_one_session_is_a_label() -> None:
    measured = Measured(long_call())
    measured.session.attach(lambda: SessionReading(queues=(QueueReading(queue="mailbox_events", depth=1, limit=9),)))
    measured.metrics.refresh(FakeDirectory(session_info("abc123", peer="192.0.2.7:5000")))
    text = generate_latest(measured.metrics.registry).decode()
    assert "abc123" not in text
    assert "192.0.2.7" not in text
    for family in measured.metrics.registry.collect():
        for sample in family.samples:
            if family.name.startswith("voice_"):
                assert sample.labels.keys() <= LABELS | {"le", "version"}, sample


def test_everything_is_documented_and_named_alike() -> None:
    for metric in ServiceMetrics().registry.collect():
        assert metric.documentation, metric.name
        assert metric.name.startswith(("voice_", "process_")), metric.name
        assert not metric.name.startswith("voice_inference_"), "those are the nodes'"


def test_gauges_show_the_directory() -> None:
    directory = FakeDirectory(
        session_info("one"),
        session_info("two", phase=Phase.RESPONDING),
        session_info("three", phase=Phase.RESPONDING),
        slots=9,
        nodes=(
            NodeInfo(address="a:1", healthy=True, sessions=2, free_slots=1),
            NodeInfo(address="b:1", healthy=False, sessions=1, free_slots=None),
        ),
    )
    measured = Measured(Script())
    measured.metrics.refresh(directory)
    assert measured.value("voice_sessions_active") == 3
    assert measured.all("voice_sessions_in_phase") == {("active",): 1, ("responding",): 2}
    assert measured.value("voice_capacity_sessions") == 9
    assert (measured.value("voice_nodes_known"), measured.value("voice_nodes_healthy")) == (2, 1)
    assert measured.value("voice_accepting") == 1
    directory.accepting = False
    measured.metrics.refresh(directory)
    assert measured.value("voice_accepting") == 0


def test_the_deepest_queue_of_any_session_is_shown_and_forgotten_with_it() -> None:
    first = Measured(Script())
    second = Measured(Script(), first.metrics)
    depths = {first: 3, second: 40, **{Measured(Script(), first.metrics): 2 for _ in range(8)}}
    for measured, depth in depths.items():
        queues = (QueueReading(queue="mailbox_events", depth=depth, limit=1_024),)
        measured.session.attach(lambda queues=queues: SessionReading(queues=queues))  # type: ignore[misc]
    for closing, depth in ((second, 40), (first, 3)):
        first.metrics.refresh(FakeDirectory())
        assert first.value("voice_queue_depth", queue="mailbox_events") == depth
        assert first.value("voice_queue_limit", queue="mailbox_events") == 1_024
        closing.session.close(EndCause.SHUTDOWN)
    for measured in depths:
        measured.session.close(EndCause.SHUTDOWN)
    first.metrics.refresh(FakeDirectory())
    assert first.metrics.registry.get_sample_value("voice_queue_depth", {"queue": "mailbox_events"}) == 0


def test_refusals_are_counted_by_reason() -> None:
    measured = Measured(Script())
    measured.metrics.session_refused(FailureReason.DRAINING)
    assert measured.all("voice_sessions_refused_total") == {("draining",): 1}
    # A rate does not see the first of its kind: those that are to be expected stand at 0 from the beginning.
    assert (
        measured.metrics.registry.get_sample_value("voice_sessions_refused_total", {"reason": "capacity_exhausted"})
        == 0
    )


def test_what_could_not_be_kept_of_calls_is_counted_once() -> None:
    measured = Measured(Script())
    cut = {(Part.RECORDING, CutReason.DISK_FULL): 2}
    measured.metrics.attach_records(lambda: RecordStats(open_calls=3, waiting_bytes=4_096, cut=dict(cut)))
    measured.metrics.refresh(FakeDirectory())
    cut[Part.JOURNAL, CutReason.WRITER_BEHIND] = 1
    for _ in range(2):
        measured.metrics.refresh(FakeDirectory())
    assert measured.all("voice_record_files_cut_total") == {
        ("recording", "disk_full"): 2,
        ("journal", "writer_behind"): 1,
    }
    assert (measured.value("voice_records_open"), measured.value("voice_records_waiting_bytes")) == (3, 4_096)


def test_edges_that_were_cut_are_counted_by_reason() -> None:
    measured = Measured(Script())
    measured.metrics.peer_cut(FailureReason.RATE_EXCEEDED)
    assert measured.all("voice_peers_cut_total") == {("rate_exceeded",): 1}
