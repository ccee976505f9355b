"""One call from the command line: session and edge in this process, reports at its end whatever happens."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice_contract.audio import ms_from_samples
from voice_contract.failures import Failure
from voice_contract.messages import EndCause
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.cli.call_setup import CallSetup, set_up_call
from voice_orchestrator.cli.inference_option import reach
from voice_orchestrator.cli.interrupts import Interrupts
from voice_orchestrator.edges.scenario import Scenario, ScenarioCaller, caller_document, playout_document
from voice_orchestrator.edges.sound_line import EdgeListener
from voice_orchestrator.edges.wav_edge import WavEdge, WavScript
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.reports.call_report import CallFacts, make_report
from voice_orchestrator.reports.json_document import write_json
from voice_orchestrator.reports.transcript import make_transcript
from voice_orchestrator.runtime.accept import receive_open
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.edge_pair import EdgeEnd, edge_pair
from voice_orchestrator.runtime.grpc_inference import GrpcConnector
from voice_orchestrator.runtime.session_runtime import SessionOutcome, SessionRuntime

SETTLE_AFTER_DELAY_S: Final = 0.5
"""A file counts as answered when nothing more came for this long beyond the silence that would end another turn."""

FAILED_CAUSES: Final = frozenset({EndCause.INFERENCE_UNAVAILABLE, EndCause.INTERNAL, EndCause.EDGE_LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """What to play to whom: sounds one after the other, or a scenario."""

    profile: LoadedProfile
    sounds: tuple[CallerSound, ...]
    scenario: Scenario | None
    inference: str
    out: Path
    overlap_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What came of it.

    whole: every file was answered, or every step of the scenario taken. failure: why the call ended before its script.
    """

    folder: Path
    report: dict[str, Any]
    whole: bool
    interrupted: bool
    failure: Failure | None


async def run_call(settings: CallSettings, view: EdgeListener | None, say: Callable[[str], None]) -> CallResult:
    """Makes the call; raises OperatorError when no node can be reached, OSError when nothing can be written."""
    node = await reach(settings.inference, say)
    setup = await asyncio.to_thread(set_up_call, settings.profile, settings.out)
    clock, log, recording = SessionClock(), CallLog(), StereoRecording()
    session_end, edge_end = edge_pair(setup.session_id, clock.monotonic_us)
    connector = GrpcConnector(settings.inference, clock)
    runtime = SessionRuntime(
        setup.session_id, setup.policy, session_end, connector, clock, setup.journal, [log], setup.tools
    )
    edge = _edge(settings, setup, edge_end, clock, recording, [view] if view else [])

    async def serve() -> SessionOutcome:
        return await runtime.run(await receive_open(session_end))

    interrupts = Interrupts(runtime.request_shutdown)
    try:
        with interrupts:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(serve(), name="session")
                group.create_task(edge.run(), name="edge")
    finally:
        await asyncio.to_thread(setup.journal.close)
    outcome = serving.result()
    facts = CallFacts(
        session_id=setup.session_id,
        profile=settings.profile.name,
        profile_sha256=settings.profile.sha256,
        started_at=setup.started_at.isoformat(),
        cause=outcome.cause,
        failure=outcome.failure,
        origin_ms=edge.origin_ms,
        node=node,
        counters=outcome.counters,
        files=_files(settings, edge),
    )
    report = await asyncio.to_thread(_write, setup.folder, log, edge, recording, facts)
    failed = outcome.cause in FAILED_CAUSES
    return CallResult(
        folder=setup.folder,
        report=report,
        whole=edge.finished if isinstance(edge, ScenarioCaller) else all(file["answered"] for file in facts.files),
        interrupted=interrupts.count > 0,
        failure=outcome.failure if failed else None,
    )


def _edge(
    settings: CallSettings,
    setup: CallSetup,
    end: EdgeEnd,
    clock: SessionClock,
    recording: StereoRecording,
    listeners: list[EdgeListener],
) -> WavEdge | ScenarioCaller:
    greets = bool(setup.policy.greeting)
    settle_s = setup.policy.turn_taking.min_delay_ms / 1_000 + SETTLE_AFTER_DELAY_S
    name = settings.profile.name
    if settings.scenario is None:
        script = WavScript(sounds=settings.sounds, greets=greets, settle_s=settle_s, overlap_s=settings.overlap_s)
        return WavEdge(end, clock, script, recording, name, listeners)
    return ScenarioCaller(
        end=end,
        clock=clock,
        scenario=settings.scenario,
        recording=recording,
        profile=name,
        greets=greets,
        settle_s=settle_s,
        listeners=listeners,
    )


def _files(settings: CallSettings, edge: WavEdge | ScenarioCaller) -> tuple[dict[str, Any], ...]:
    if isinstance(edge, ScenarioCaller):
        return ()
    entries = []
    for index, sound in enumerate(settings.sounds):
        played = edge.files[index] if index < len(edge.files) else None
        entries.append(
            {
                "path": str(sound.path),
                "duration_ms": sound.duration_ms,
                "start_ms": ms_from_samples(played.start_samples) if played else None,
                "answered": played.answered if played else False,
            }
        )
    return tuple(entries)


def _write(
    folder: Path, log: CallLog, edge: WavEdge | ScenarioCaller, recording: StereoRecording, facts: CallFacts
) -> dict[str, Any]:
    report = make_report(log, edge.speaker.runs, facts)
    write_json(folder / "report.json", report)
    write_json(folder / "transcript.json", make_transcript(log, edge.speaker.runs, facts.origin_ms))
    if isinstance(edge, ScenarioCaller):
        write_json(folder / "caller.json", caller_document(edge))
        write_json(folder / "playout.json", playout_document(edge))
    recording.save(folder / "recording.wav")
    return report
