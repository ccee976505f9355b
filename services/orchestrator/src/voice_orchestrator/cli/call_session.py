"""One call from the command line: session and edge in this process, reports at its end whatever happens."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice_contract.audio import ms_from_samples
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import CallEnded, EndCause, HangUp
from voice_operations.operator_error import OperatorError
from voice_operations.security import ClientSecurity
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import CallerSound
from voice_orchestrator.cli.inference_option import reach
from voice_orchestrator.cli.interrupts import Interrupts
from voice_orchestrator.edges.edge_client import OrchestratorUnreachableError, edge_client
from voice_orchestrator.edges.scenario import Scenario, ScenarioCaller, caller_document, playout_document
from voice_orchestrator.edges.sound_line import EdgeListener
from voice_orchestrator.edges.wav_edge import WavEdge, WavScript
from voice_orchestrator.profiles.loader import LoadedProfile
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.reports.call_log import CallLog
from voice_orchestrator.reports.call_report import CallFacts, make_report
from voice_orchestrator.reports.edge_log import EdgeLog
from voice_orchestrator.reports.json_document import write_json
from voice_orchestrator.reports.transcript import make_transcript
from voice_orchestrator.runtime.clock import SessionClock, wall_time
from voice_orchestrator.runtime.edge_stream import EdgeStream
from voice_orchestrator.runtime.ports import EdgeGoneError, EdgePort
from voice_orchestrator.service.local_call import LocalCall

SETTLE_AFTER_DELAY_S: Final = 0.5
"""A file counts as answered when nothing more came for this long beyond the silence that would end another turn."""

FAILED_CAUSES: Final = frozenset({EndCause.INFERENCE_UNAVAILABLE, EndCause.INTERNAL, EndCause.EDGE_LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """What to play to whom: sounds one after the other, or a scenario.

    connect: address of the orchestrator that takes the call, empty: this process does.
    """

    profile: LoadedProfile
    sounds: tuple[CallerSound, ...]
    scenario: Scenario | None
    inference: str
    inference_security: ClientSecurity
    connect: str
    edge_security: ClientSecurity
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
    """Makes the call; raises OperatorError when nobody can be reached, OSError when nothing can be written."""
    if settings.connect:
        return await _call_elsewhere(settings, view)
    node = await reach(settings.inference, settings.inference_security, say)
    call = LocalCall(settings.profile, settings.inference, settings.inference_security, settings.out)
    recording = StereoRecording()
    edge = _edge(settings, call.edge, call.clock, recording, [view] if view else [])
    interrupts = Interrupts(call.end)
    with interrupts:
        outcome, kept = await call.make(edge.run())
    facts = CallFacts(
        session_id=kept.session_id,
        profile=settings.profile.name,
        profile_sha256=settings.profile.sha256,
        started_at=kept.started_at.isoformat(),
        cause=outcome.cause,
        failure=outcome.failure,
        origin_ms=edge.origin_ms,
        node=node,
        counters=outcome.counters,
        files=_files(settings, edge),
    )
    report = await asyncio.to_thread(_write, kept.folder, kept.log, edge, recording, facts)
    failed = outcome.cause in FAILED_CAUSES
    return CallResult(
        folder=kept.folder,
        report=report,
        whole=edge.finished if isinstance(edge, ScenarioCaller) else all(file["answered"] for file in facts.files),
        interrupted=interrupts.count > 0,
        failure=outcome.failure if failed else None,
    )


async def _call_elsewhere(settings: CallSettings, view: EdgeListener | None) -> CallResult:
    """A call on an orchestrator elsewhere, which keeps the journal; here is what an edge knows."""
    clock, recording, heard, started_at = SessionClock(), StereoRecording(), EdgeLog(), wall_time()
    try:
        async with edge_client(settings.connect, settings.edge_security, clock.monotonic_us) as stream:
            edge = _edge(settings, stream, clock, recording, [heard, *([view] if view else [])])
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(stream.beat(), name="edge-beat")
                with Interrupts(lambda: hang_up(group, stream)) as interrupts:
                    await edge.run()
                beating.cancel()
    except OrchestratorUnreachableError as error:
        raise OperatorError(f"{error}; start one with `voice-orchestrator serve`, or leave --connect out") from error
    ended = heard.ended or CallEnded(
        cause=EndCause.EDGE_LOST, failure=Failure(stage=Stage.EDGE, reason=FailureReason.EDGE_LOST, detail=stream.gone)
    )
    if not stream.session_id:
        raise OperatorError(f"{settings.connect} does not take the call: {stream.gone or 'it ended the stream'}")
    if ended.cause is EndCause.REFUSED and ended.failure is not None:
        raise OperatorError(_refusal(ended.failure, ended.retry_after_ms))
    folder = settings.out / f"{started_at:%Y%m%dT%H%M%SZ}-{settings.profile.name}-{stream.session_id}"
    report = heard.report(stream.session_id, settings.profile.name, started_at.isoformat(), ended)
    report["files"] = list(_files(settings, edge))
    await asyncio.to_thread(_write_elsewhere, folder, report, edge, recording)
    return CallResult(
        folder=folder,
        report=report,
        whole=edge.finished if isinstance(edge, ScenarioCaller) else all(file["answered"] for file in report["files"]),
        interrupted=interrupts.count > 0,
        failure=ended.failure if ended.cause in FAILED_CAUSES else None,
    )


def hang_up(group: asyncio.TaskGroup, stream: EdgeStream) -> None:
    """Tells the orchestrator soon that the caller hangs up."""

    async def tell() -> None:
        with suppress(EdgeGoneError):
            await stream.send(HangUp())

    group.create_task(tell(), name="hang-up")


def _refusal(failure: Failure, retry_after_ms: int | None) -> str:
    again = f"; try again in {retry_after_ms / 1_000:g} s" if retry_after_ms is not None else ""
    return f"the orchestrator does not take the call ({failure.reason.value}): {failure.detail}{again}"


def _edge(
    settings: CallSettings,
    end: EdgePort,
    clock: SessionClock,
    recording: StereoRecording,
    listeners: list[EdgeListener],
) -> WavEdge | ScenarioCaller:
    policy = policy_of(settings.profile.profile)
    greets = bool(policy.greeting)
    settle_s = policy.turn_taking.min_delay_ms / 1_000 + SETTLE_AFTER_DELAY_S
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


def _write_elsewhere(
    folder: Path, report: dict[str, Any], edge: WavEdge | ScenarioCaller, recording: StereoRecording
) -> None:
    folder.mkdir(parents=True, mode=0o700)
    write_json(folder / "report.json", report)
    _write_scenario(folder, edge)
    recording.save(folder / "recording.wav")


def _write_scenario(folder: Path, edge: WavEdge | ScenarioCaller) -> None:
    if isinstance(edge, ScenarioCaller):
        write_json(folder / "caller.json", caller_document(edge))
        write_json(folder / "playout.json", playout_document(edge))


def _write(
    folder: Path, log: CallLog, edge: WavEdge | ScenarioCaller, recording: StereoRecording, facts: CallFacts
) -> dict[str, Any]:
    report = make_report(log, edge.speaker.runs, facts)
    write_json(folder / "report.json", report)
    write_json(folder / "transcript.json", make_transcript(log, edge.speaker.runs, facts.origin_ms))
    _write_scenario(folder, edge)
    recording.save(folder / "recording.wav")
    return report
