"""Control payloads of the edge stream, to and from protobuf."""

from typing import Final

from voice_agent.v1 import control_pb2
from voice_contract import messages as m
from voice_contract.codec_values import (
    Arm,
    duration_to_pb,
    enum_member,
    enum_number,
    failure_from_pb,
    failure_to_pb,
    format_from_pb,
    ms_from_pb,
    require,
    set_formats,
)


def _call_open_to_pb(value: m.CallOpen) -> control_pb2.CallOpen:
    message = control_pb2.CallOpen(profile=value.profile, caller_id=value.caller_id)
    set_formats(message, value.caller_format, value.agent_format)
    return message


def _call_open(value: control_pb2.CallOpen) -> m.CallOpen:
    require(bool(value.profile), "call_open.profile: required")
    require(len(value.caller_id) <= CALLER_ID_CHARS_MAX, "call_open.caller_id: must be at most 128 characters")
    return m.CallOpen(
        profile=value.profile,
        caller_format=format_from_pb(value, "caller_format"),
        agent_format=format_from_pb(value, "agent_format"),
        caller_id=value.caller_id,
    )


def _call_accepted_to_pb(value: m.CallAccepted) -> control_pb2.CallAccepted:
    message = control_pb2.CallAccepted()
    set_formats(message, value.caller_format, value.agent_format)
    return message


def _call_accepted(value: control_pb2.CallAccepted) -> m.CallAccepted:
    return m.CallAccepted(
        caller_format=format_from_pb(value, "caller_format"), agent_format=format_from_pb(value, "agent_format")
    )


def _call_ended_to_pb(value: m.CallEnded) -> control_pb2.CallEnded:
    message = control_pb2.CallEnded(cause=enum_number(value.cause))
    if value.failure is not None:
        message.failure.CopyFrom(failure_to_pb(value.failure))
    if value.retry_after_ms is not None:
        message.retry_after.CopyFrom(duration_to_pb(value.retry_after_ms))
    return message


def _call_ended(value: control_pb2.CallEnded) -> m.CallEnded:
    hinted = value.HasField("retry_after")
    return m.CallEnded(
        cause=enum_member(m.EndCause, value.cause, "call_ended.cause"),
        failure=failure_from_pb(value.failure) if value.HasField("failure") else None,
        retry_after_ms=ms_from_pb(value.retry_after, "call_ended.retry_after") if hinted else None,
    )


def _phase_changed_to_pb(value: m.PhaseChanged) -> control_pb2.PhaseChanged:
    return control_pb2.PhaseChanged(from_phase=enum_number(value.from_phase), to_phase=enum_number(value.to_phase))


def _phase_changed(value: control_pb2.PhaseChanged) -> m.PhaseChanged:
    return m.PhaseChanged(
        from_phase=enum_member(m.Phase, value.from_phase, "phase_changed.from_phase"),
        to_phase=enum_member(m.Phase, value.to_phase, "phase_changed.to_phase"),
    )


def _barge_in_to_pb(value: m.BargeIn) -> control_pb2.BargeIn:
    return control_pb2.BargeIn(
        outcome=enum_number(value.outcome),
        speech_length=duration_to_pb(value.speech_length_ms),
        cause=enum_number(value.cause),
    )


def _barge_in(value: control_pb2.BargeIn) -> m.BargeIn:
    return m.BargeIn(
        outcome=enum_member(m.BargeInOutcome, value.outcome, "barge_in.outcome"),
        speech_length_ms=ms_from_pb(value.speech_length, "barge_in.speech_length"),
        cause=enum_member(m.BargeInCause, value.cause, "barge_in.cause"),
    )


CALLER_ID_CHARS_MAX: Final = 128
DTMF_KEYS: Final = frozenset("0123456789ABCD*#")


def _dtmf(value: control_pb2.Dtmf) -> m.Dtmf:
    require(value.key in DTMF_KEYS, "dtmf.key: must be one of 0-9, A-D, * and #")
    return m.Dtmf(key=value.key)


def _speculation_to_pb(value: m.SpeculationEnded) -> control_pb2.SpeculationEnded:
    return control_pb2.SpeculationEnded(
        outcome=enum_number(value.outcome),
        written_tokens=value.written_tokens,
        synthesised=duration_to_pb(value.synthesised_ms),
        lead=duration_to_pb(value.lead_ms),
    )


def _speculation(value: control_pb2.SpeculationEnded) -> m.SpeculationEnded:
    return m.SpeculationEnded(
        outcome=enum_member(m.SpeculationOutcome, value.outcome, "speculation_ended.outcome"),
        written_tokens=value.written_tokens,
        synthesised_ms=ms_from_pb(value.synthesised, "speculation_ended.synthesised"),
        lead_ms=ms_from_pb(value.lead, "speculation_ended.lead"),
    )


_LATENCY_STAGES: Final = (
    "total",
    "endpointing",
    "transcription",
    "first_token",
    "first_clause",
    "synthesis",
    "delivery",
)


def _latency_to_pb(value: m.TurnLatency) -> control_pb2.TurnLatency:
    spans = {stage: duration_to_pb(getattr(value, f"{stage}_ms")) for stage in _LATENCY_STAGES}
    return control_pb2.TurnLatency(utterance_id=value.utterance_id, **spans)


def _latency(value: control_pb2.TurnLatency) -> m.TurnLatency:
    spans = {f"{stage}_ms": ms_from_pb(getattr(value, stage), f"turn_latency.{stage}") for stage in _LATENCY_STAGES}
    total = spans["total_ms"]
    require(total == sum(spans.values()) - total, "turn_latency: the stages do not add up to the total")
    return m.TurnLatency(utterance_id=value.utterance_id, **spans)


EDGE_ARMS: Final[dict[type, Arm]] = {
    m.CallOpen: ("call_open", _call_open_to_pb, _call_open),
    m.CallAccepted: ("call_accepted", _call_accepted_to_pb, _call_accepted),
    m.HangUp: ("hang_up", lambda _: control_pb2.HangUp(), lambda _: m.HangUp()),
    m.CallEnded: ("call_ended", _call_ended_to_pb, _call_ended),
    m.PhaseChanged: ("phase_changed", _phase_changed_to_pb, _phase_changed),
    m.BargeIn: ("barge_in", _barge_in_to_pb, _barge_in),
    m.PlayoutPause: ("playout_pause", lambda _: control_pb2.PlayoutPause(), lambda _: m.PlayoutPause()),
    m.PlayoutResume: ("playout_resume", lambda _: control_pb2.PlayoutResume(), lambda _: m.PlayoutResume()),
    m.PlayoutFlush: ("playout_flush", lambda _: control_pb2.PlayoutFlush(), lambda _: m.PlayoutFlush()),
    m.PlayoutPosition: (
        "playout_position",
        lambda v: control_pb2.PlayoutPosition(played_samples=v.played_samples),
        lambda v: m.PlayoutPosition(played_samples=v.played_samples),
    ),
    m.RunAudioEnd: (
        "run_audio_end",
        lambda v: control_pb2.RunAudioEnd(total_samples=v.total_samples),
        lambda v: m.RunAudioEnd(total_samples=v.total_samples),
    ),
    m.SegmentMark: (
        "segment_mark",
        lambda v: control_pb2.SegmentMark(segment_index=v.segment_index, end_offset_samples=v.end_offset_samples),
        lambda v: m.SegmentMark(segment_index=v.segment_index, end_offset_samples=v.end_offset_samples),
    ),
    m.TurnLatency: ("turn_latency", _latency_to_pb, _latency),
    m.Dtmf: ("dtmf", lambda v: control_pb2.Dtmf(key=v.key), _dtmf),
    m.TalkPressed: (
        "talk_pressed",
        lambda v: control_pb2.TalkPressed(offset_samples=v.offset_samples),
        lambda v: m.TalkPressed(offset_samples=v.offset_samples),
    ),
    m.TalkReleased: (
        "talk_released",
        lambda v: control_pb2.TalkReleased(offset_samples=v.offset_samples),
        lambda v: m.TalkReleased(offset_samples=v.offset_samples),
    ),
    m.RunHeard: (
        "run_heard",
        lambda v: control_pb2.RunHeard(text=v.text, interrupted=v.interrupted),
        lambda v: m.RunHeard(text=v.text, interrupted=v.interrupted),
    ),
    m.SpeculationEnded: ("speculation_ended", _speculation_to_pb, _speculation),
}
"""Every payload that only the edge stream carries."""
