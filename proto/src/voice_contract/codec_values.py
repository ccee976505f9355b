"""Small values of the contract, to and from protobuf, and how a broken rule is told.

What ends in `_from_pb` raises BrokenRuleError, whose text names the field and the rule.
"""

from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeVar, cast

from google.protobuf.duration_pb2 import Duration

from voice_agent.v1 import (
    audio_pb2,
    control_pb2,
    failure_pb2,
    generation_pb2,
    speech_pb2,
    timing_pb2,
    transcript_pb2,
)
from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage

E = TypeVar("E", bound=Enum)

Arm = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]
"""Of one payload: the name of its field in Control, its encoder and its decoder."""


class BrokenRuleError(Exception):
    """A rule is broken; the text says which."""


def require(holds: bool, rule: str) -> None:
    """Raises BrokenRuleError with `rule` unless it `holds`."""
    if not holds:
        raise BrokenRuleError(rule)


ENUMS: Final[dict[type[Enum], tuple[Any, str]]] = {
    Stage: (failure_pb2.Stage, "STAGE_"),
    FailureReason: (failure_pb2.FailureReason, "FAILURE_REASON_"),
    m.AudioEncoding: (audio_pb2.AudioEncoding, "AUDIO_ENCODING_"),
    m.Speaker: (transcript_pb2.Speaker, "SPEAKER_"),
    m.TranscriptKind: (transcript_pb2.TranscriptKind, "TRANSCRIPT_KIND_"),
    m.TranscribeKind: (speech_pb2.TranscribeKind, "TRANSCRIBE_KIND_"),
    m.ChatRole: (generation_pb2.ChatRole, "CHAT_ROLE_"),
    m.FinishReason: (generation_pb2.FinishReason, "FINISH_REASON_"),
    m.EndCause: (control_pb2.EndCause, "END_CAUSE_"),
    m.Phase: (control_pb2.Phase, "PHASE_"),
    m.BargeInOutcome: (control_pb2.BargeInOutcome, "BARGE_IN_OUTCOME_"),
    m.BargeInCause: (control_pb2.BargeInCause, "BARGE_IN_CAUSE_"),
    m.SpeculationOutcome: (control_pb2.SpeculationOutcome, "SPECULATION_OUTCOME_"),
}
"""Each enum with the one of the contract and the prefix of its names."""

_TO_NUMBER: Final[dict[Enum, int]] = {
    member: proto.Value(prefix + member.name) for kind, (proto, prefix) in ENUMS.items() for member in kind
}
_FROM_NUMBER: Final[dict[type[Enum], dict[int, Enum]]] = {
    kind: {_TO_NUMBER[member]: member for member in kind} for kind in ENUMS
}


def enum_number(member: Enum) -> Any:  # noqa: ANN401 - protobuf enums are ints with types of their own
    """The number of a member on the wire."""
    return _TO_NUMBER[member]


def enum_member(kind: type[E], number: int, field: str) -> E:
    """The member with a number; `field` names it when it is unspecified or unknown."""
    member = _FROM_NUMBER[kind].get(number)
    require(member is not None, f"{field}: {'unspecified' if number == 0 else f'unknown value {number}'}")
    return cast("E", member)


def duration_to_pb(duration_ms: int) -> Duration:
    """A span of milliseconds."""
    return Duration(seconds=duration_ms // 1000, nanos=duration_ms % 1000 * 1_000_000)


def ms_from_pb(duration: Duration, field: str) -> int:
    """Whole milliseconds of a span."""
    require(0 <= duration.nanos < 1_000_000_000 and 0 <= duration.seconds < 1 << 31, f"{field}: not a valid span")
    return int(duration.seconds * 1000 + duration.nanos // 1_000_000)


def number_in(value: float, low: float, high: float, field: str) -> float:
    """`value`, which must lie between `low` and `high`."""
    require(isfinite(value) and low <= value <= high, f"{field}: must be {low:g} to {high:g}")
    return value


def format_to_pb(value: m.AudioFormat) -> audio_pb2.AudioFormat:
    """A format of sound."""
    return audio_pb2.AudioFormat(encoding=enum_number(value.encoding), sample_rate_hz=value.sample_rate_hz)


SAMPLE_RATES_HZ: Final = frozenset({8_000, 16_000})


def format_from_pb(owner: Any, field: str) -> m.AudioFormat | None:  # noqa: ANN401
    """The format in a field of `owner`, None when it is not set."""
    if not owner.HasField(field):
        return None
    value = getattr(owner, field)
    require(value.sample_rate_hz in SAMPLE_RATES_HZ, f"{field}.sample_rate_hz: must be 8000 or 16000")
    encoding = enum_member(m.AudioEncoding, value.encoding, f"{field}.encoding")
    return m.AudioFormat(encoding=encoding, sample_rate_hz=value.sample_rate_hz)


def inner_format_from_pb(owner: Any, field: str) -> m.AudioFormat | None:  # noqa: ANN401
    """As format_from_pb, of the sound between the two services, which is always 16 kHz."""
    value = format_from_pb(owner, field)
    require(value is None or value.sample_rate_hz == 16_000, f"{field}.sample_rate_hz: must be 16000")
    require(value is None or value.encoding is m.AudioEncoding.S16LE, f"{field}.encoding: must be S16LE")
    return value


def timing_to_pb(value: m.WorkTiming) -> timing_pb2.WorkTiming:
    """What work cost."""
    return timing_pb2.WorkTiming(
        queued_us=value.queued_us, first_result_us=value.first_result_us, total_us=value.total_us
    )


def timing_from_pb(value: timing_pb2.WorkTiming) -> m.WorkTiming:
    """What work cost."""
    return m.WorkTiming(queued_us=value.queued_us, first_result_us=value.first_result_us, total_us=value.total_us)


def failure_to_pb(value: Failure) -> failure_pb2.Failure:
    """A failure."""
    return failure_pb2.Failure(
        stage=enum_number(value.stage),
        reason=enum_number(value.reason),
        retryable=value.retryable,
        caller_text=value.caller_text,
        detail=value.detail,
        utterance_id=value.utterance_id,
    )


def failure_from_pb(value: failure_pb2.Failure) -> Failure:
    """A failure; its caller text and whether it can be retried follow from its reason."""
    return Failure(
        stage=enum_member(Stage, value.stage, "failure.stage"),
        reason=enum_member(FailureReason, value.reason, "failure.reason"),
        detail=value.detail,
        utterance_id=value.utterance_id,
    )


def set_formats(message: Any, caller: m.AudioFormat | None, agent: m.AudioFormat | None) -> None:  # noqa: ANN401
    """Sets caller_format and agent_format of `message` where there is one."""
    if caller is not None:
        message.caller_format.CopyFrom(format_to_pb(caller))
    if agent is not None:
        message.agent_format.CopyFrom(format_to_pb(agent))
