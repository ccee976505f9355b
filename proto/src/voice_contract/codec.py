"""Translates between `messages` and protobuf, and refuses what breaks the contract.

`decode` raises VoiceAgentError with reason INVALID_MESSAGE, and nothing else, for whatever a peer sends; its detail
names the field and the rule and holds nothing a person said. Protobuf classes are used here and nowhere else.
"""

from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any, Final, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from voice_agent.v1 import (
    audio_pb2,
    control_pb2,
    describe_pb2,
    event_pb2,
    failure_pb2,
    generation_pb2,
    speech_pb2,
    synthesis_pb2,
    timing_pb2,
    transcript_pb2,
)
from voice_contract import messages as m
from voice_contract.channel_options import AUDIO_BYTES_MAX
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.senders import ALLOWED_SENDER, RUN_OPTIONAL, RUN_SCOPED, TRANSCRIPT_SENDER, Peer

__all__ = ["Peer", "decode", "decode_bytes", "decode_description", "encode", "encode_description"]

E = TypeVar("E", bound=Enum)

SESSION_ID_CHARS_MAX: Final = 64
SYNTHESIS_CHARS_MAX: Final = 1_000


class _Broken(Exception):
    """A rule is broken; the text says which."""


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise _Broken(rule)


# --- enums

_PREFIX: Final[dict[type[Enum], tuple[Any, str]]] = {
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
_TO_NUMBER: Final[dict[Enum, int]] = {
    member: proto.Value(prefix + member.name) for kind, (proto, prefix) in _PREFIX.items() for member in kind
}
_FROM_NUMBER: Final[dict[type[Enum], dict[int, Enum]]] = {
    kind: {_TO_NUMBER[member]: member for member in kind} for kind in _PREFIX
}


def _number(member: Enum) -> Any:  # noqa: ANN401 - protobuf enums are ints with types of their own
    return _TO_NUMBER[member]


def _member(kind: type[E], number: int, field: str) -> E:
    member = _FROM_NUMBER[kind].get(number)
    _require(member is not None, f"{field}: {'unspecified' if number == 0 else f'unknown value {number}'}")
    return cast("E", member)


# --- small values


def _duration(duration_ms: int) -> Duration:
    return Duration(seconds=duration_ms // 1000, nanos=duration_ms % 1000 * 1_000_000)


def _ms(duration: Duration, field: str) -> int:
    _require(0 <= duration.nanos < 1_000_000_000 and 0 <= duration.seconds < 1 << 31, f"{field}: not a valid span")
    return int(duration.seconds * 1000 + duration.nanos // 1_000_000)


def _number_in(value: float, low: float, high: float, field: str) -> float:
    _require(isfinite(value) and low <= value <= high, f"{field}: must be {low:g} to {high:g}")
    return value


def _format_to_pb(value: m.AudioFormat) -> audio_pb2.AudioFormat:
    return audio_pb2.AudioFormat(encoding=_number(value.encoding), sample_rate_hz=value.sample_rate_hz)


def _format(owner: Any, field: str) -> m.AudioFormat | None:  # noqa: ANN401
    if not owner.HasField(field):
        return None
    value = getattr(owner, field)
    _require(8_000 <= value.sample_rate_hz <= 48_000, f"{field}.sample_rate_hz: must be 8000 to 48000")
    encoding = _member(m.AudioEncoding, value.encoding, f"{field}.encoding")
    return m.AudioFormat(encoding=encoding, sample_rate_hz=value.sample_rate_hz)


def _inner_format(owner: Any, field: str) -> m.AudioFormat | None:  # noqa: ANN401
    value = _format(owner, field)
    _require(value is None or value.sample_rate_hz == 16_000, f"{field}.sample_rate_hz: must be 16000")
    return value


def _timing_to_pb(value: m.WorkTiming) -> timing_pb2.WorkTiming:
    return timing_pb2.WorkTiming(
        queued_us=value.queued_us, first_result_us=value.first_result_us, total_us=value.total_us
    )


def _timing(value: timing_pb2.WorkTiming) -> m.WorkTiming:
    return m.WorkTiming(queued_us=value.queued_us, first_result_us=value.first_result_us, total_us=value.total_us)


def _chat_to_pb(values: tuple[m.ChatMessage, ...]) -> list[generation_pb2.ChatMessage]:
    return [
        generation_pb2.ChatMessage(
            role=_number(value.role),
            text=value.text,
            tool_call_id=value.tool_call_id,
            tool_name=value.tool_name,
            tool_arguments=value.tool_arguments,
        )
        for value in values
    ]


def _chat(values: Any) -> tuple[m.ChatMessage, ...]:  # noqa: ANN401
    _require(len(values) > 0, "messages: at least one")
    return tuple(
        m.ChatMessage(
            role=_member(m.ChatRole, v.role, "messages.role"),
            text=v.text,
            tool_call_id=v.tool_call_id,
            tool_name=v.tool_name,
            tool_arguments=v.tool_arguments,
        )
        for v in values
    )


def _failure_to_pb(value: Failure) -> failure_pb2.Failure:
    return failure_pb2.Failure(
        stage=_number(value.stage),
        reason=_number(value.reason),
        retryable=value.retryable,
        caller_text=value.caller_text,
        detail=value.detail,
        utterance_id=value.utterance_id,
    )


def _failure(value: failure_pb2.Failure) -> Failure:
    return Failure(
        stage=_member(Stage, value.stage, "failure.stage"),
        reason=_member(FailureReason, value.reason, "failure.reason"),
        detail=value.detail,
        utterance_id=value.utterance_id,
    )


# --- control arms: name, encoder, decoder


def _call_open_to_pb(value: m.CallOpen) -> control_pb2.CallOpen:
    message = control_pb2.CallOpen(profile=value.profile)
    _set_formats(message, value.caller_format, value.agent_format)
    return message


def _set_formats(message: Any, caller: m.AudioFormat | None, agent: m.AudioFormat | None) -> None:  # noqa: ANN401
    if caller is not None:
        message.caller_format.CopyFrom(_format_to_pb(caller))
    if agent is not None:
        message.agent_format.CopyFrom(_format_to_pb(agent))


def _call_open(value: control_pb2.CallOpen) -> m.CallOpen:
    _require(bool(value.profile), "call_open.profile: required")
    return m.CallOpen(
        profile=value.profile,
        caller_format=_format(value, "caller_format"),
        agent_format=_format(value, "agent_format"),
    )


def _call_accepted_to_pb(value: m.CallAccepted) -> control_pb2.CallAccepted:
    message = control_pb2.CallAccepted()
    _set_formats(message, value.caller_format, value.agent_format)
    return message


def _call_accepted(value: control_pb2.CallAccepted) -> m.CallAccepted:
    return m.CallAccepted(caller_format=_format(value, "caller_format"), agent_format=_format(value, "agent_format"))


def _call_ended_to_pb(value: m.CallEnded) -> control_pb2.CallEnded:
    message = control_pb2.CallEnded(cause=_number(value.cause))
    if value.failure is not None:
        message.failure.CopyFrom(_failure_to_pb(value.failure))
    return message


def _call_ended(value: control_pb2.CallEnded) -> m.CallEnded:
    failure = _failure(value.failure) if value.HasField("failure") else None
    return m.CallEnded(cause=_member(m.EndCause, value.cause, "call_ended.cause"), failure=failure)


def _phase_changed_to_pb(value: m.PhaseChanged) -> control_pb2.PhaseChanged:
    return control_pb2.PhaseChanged(from_phase=_number(value.from_phase), to_phase=_number(value.to_phase))


def _phase_changed(value: control_pb2.PhaseChanged) -> m.PhaseChanged:
    return m.PhaseChanged(
        from_phase=_member(m.Phase, value.from_phase, "phase_changed.from_phase"),
        to_phase=_member(m.Phase, value.to_phase, "phase_changed.to_phase"),
    )


def _barge_in_to_pb(value: m.BargeIn) -> control_pb2.BargeIn:
    return control_pb2.BargeIn(
        outcome=_number(value.outcome), speech_length=_duration(value.speech_length_ms), cause=_number(value.cause)
    )


def _barge_in(value: control_pb2.BargeIn) -> m.BargeIn:
    return m.BargeIn(
        outcome=_member(m.BargeInOutcome, value.outcome, "barge_in.outcome"),
        speech_length_ms=_ms(value.speech_length, "barge_in.speech_length"),
        cause=_member(m.BargeInCause, value.cause, "barge_in.cause"),
    )


DTMF_KEYS: Final = frozenset("0123456789ABCD*#")


def _dtmf(value: control_pb2.Dtmf) -> m.Dtmf:
    _require(value.key in DTMF_KEYS, "dtmf.key: must be one of 0-9, A-D, * and #")
    return m.Dtmf(key=value.key)


def _speculation_to_pb(value: m.SpeculationEnded) -> control_pb2.SpeculationEnded:
    return control_pb2.SpeculationEnded(
        outcome=_number(value.outcome),
        written_tokens=value.written_tokens,
        synthesised=_duration(value.synthesised_ms),
        lead=_duration(value.lead_ms),
    )


def _speculation(value: control_pb2.SpeculationEnded) -> m.SpeculationEnded:
    return m.SpeculationEnded(
        outcome=_member(m.SpeculationOutcome, value.outcome, "speculation_ended.outcome"),
        written_tokens=value.written_tokens,
        synthesised_ms=_ms(value.synthesised, "speculation_ended.synthesised"),
        lead_ms=_ms(value.lead, "speculation_ended.lead"),
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
    spans = {stage: _duration(getattr(value, f"{stage}_ms")) for stage in _LATENCY_STAGES}
    return control_pb2.TurnLatency(utterance_id=value.utterance_id, **spans)


def _latency(value: control_pb2.TurnLatency) -> m.TurnLatency:
    spans = {f"{stage}_ms": _ms(getattr(value, stage), f"turn_latency.{stage}") for stage in _LATENCY_STAGES}
    total = spans["total_ms"]
    _require(total == sum(spans.values()) - total, "turn_latency: the stages do not add up to the total")
    return m.TurnLatency(utterance_id=value.utterance_id, **spans)


def _configure_to_pb(value: m.SessionConfigure) -> speech_pb2.SessionConfigure:
    message = speech_pb2.SessionConfigure(language=value.language, voice=value.voice)
    _set_formats(message, value.caller_format, value.agent_format)
    if value.vad is not None:
        message.vad.CopyFrom(
            speech_pb2.VadSettings(
                activation_threshold=value.vad.activation_threshold,
                deactivation_threshold=value.vad.deactivation_threshold,
                min_speech=_duration(value.vad.min_speech_ms),
                min_silence=_duration(value.vad.min_silence_ms),
            )
        )
    return message


def _configure(value: speech_pb2.SessionConfigure) -> m.SessionConfigure:
    _require(bool(value.language), "session_configure.language: required")
    caller = _inner_format(value, "caller_format")
    _require(caller is None or value.HasField("vad"), "session_configure.vad: required with caller_format")
    vad = None
    if value.HasField("vad"):
        high, low = value.vad.activation_threshold, value.vad.deactivation_threshold
        _require(0 < high < 1, "vad.activation_threshold: must be above 0 and below 1")
        _require(0 < low <= high, "vad.deactivation_threshold: must be above 0 and at most activation_threshold")
        vad = m.VadSettings(
            activation_threshold=high,
            deactivation_threshold=low,
            min_speech_ms=_ms(value.vad.min_speech, "vad.min_speech"),
            min_silence_ms=_ms(value.vad.min_silence, "vad.min_silence"),
        )
    return m.SessionConfigure(
        caller_format=caller,
        agent_format=_inner_format(value, "agent_format"),
        language=value.language,
        voice=value.voice,
        vad=vad,
    )


def _transcribe_to_pb(value: m.Transcribe) -> speech_pb2.Transcribe:
    return speech_pb2.Transcribe(
        utterance_id=value.utterance_id,
        revision=value.revision,
        kind=_number(value.kind),
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
    )


def _transcribe(value: speech_pb2.Transcribe) -> m.Transcribe:
    _require(value.utterance_id >= 1, "transcribe.utterance_id: counts from 1")
    _require(value.revision >= 1, "transcribe.revision: counts from 1")
    end = value.end_offset_samples
    _require(end == 0 or end > value.start_offset_samples, "transcribe.end_offset_samples: must lie behind the start")
    return m.Transcribe(
        utterance_id=value.utterance_id,
        revision=value.revision,
        kind=_member(m.TranscribeKind, value.kind, "transcribe.kind"),
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=end,
    )


def _score_to_pb(value: m.ScoreEndOfTurn) -> speech_pb2.ScoreEndOfTurn:
    return speech_pb2.ScoreEndOfTurn(
        utterance_id=value.utterance_id,
        revision=value.revision,
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
    )


def _score(value: speech_pb2.ScoreEndOfTurn) -> m.ScoreEndOfTurn:
    _require(value.utterance_id >= 1, "score_end_of_turn.utterance_id: counts from 1")
    _require(value.revision >= 1, "score_end_of_turn.revision: counts from 1")
    start, end = value.start_offset_samples, value.end_offset_samples
    _require(end > start, "score_end_of_turn.end_offset_samples: must lie behind the start")
    return m.ScoreEndOfTurn(
        utterance_id=value.utterance_id, revision=value.revision, start_offset_samples=start, end_offset_samples=end
    )


def _scored_to_pb(value: m.EndOfTurnScored) -> speech_pb2.EndOfTurnScored:
    return speech_pb2.EndOfTurnScored(
        utterance_id=value.utterance_id,
        revision=value.revision,
        probability=value.probability,
        timing=_timing_to_pb(value.timing),
    )


def _scored(value: speech_pb2.EndOfTurnScored) -> m.EndOfTurnScored:
    return m.EndOfTurnScored(
        utterance_id=value.utterance_id,
        revision=value.revision,
        probability=_number_in(value.probability, 0, 1, "end_of_turn_scored.probability"),
        timing=_timing(value.timing),
    )


def _tools_to_pb(values: tuple[m.ToolDeclaration, ...]) -> list[generation_pb2.ToolDeclaration]:
    return [
        generation_pb2.ToolDeclaration(
            name=value.name, description=value.description, parameters_schema=value.parameters_schema
        )
        for value in values
    ]


def _tools(values: Any) -> tuple[m.ToolDeclaration, ...]:  # noqa: ANN401
    _require(all(value.name for value in values), "generate.tools.name: required")
    return tuple(
        m.ToolDeclaration(name=value.name, description=value.description, parameters_schema=value.parameters_schema)
        for value in values
    )


def _tool_requested(value: generation_pb2.ToolRequested) -> m.ToolRequested:
    _require(bool(value.name), "tool_requested.name: required")
    return m.ToolRequested(call_index=value.call_index, name=value.name, arguments=value.arguments)


def _generate_to_pb(value: m.Generate) -> generation_pb2.Generate:
    return generation_pb2.Generate(
        messages=_chat_to_pb(value.messages),
        max_tokens=value.max_tokens,
        temperature=value.temperature,
        top_p=value.top_p,
        seed=value.seed,
        stop=value.stop,
        tools=_tools_to_pb(value.tools),
    )


def _generate(value: generation_pb2.Generate) -> m.Generate:
    _require(value.max_tokens >= 1, "generate.max_tokens: at least 1")
    _require(isfinite(value.top_p) and 0 < value.top_p <= 1, "generate.top_p: must be above 0 and at most 1")
    return m.Generate(
        messages=_chat(value.messages),
        max_tokens=value.max_tokens,
        temperature=_number_in(value.temperature, 0, 2, "generate.temperature"),
        top_p=value.top_p,
        seed=value.seed,
        stop=tuple(value.stop),
        tools=_tools(value.tools),
    )


def _generation_ended_to_pb(value: m.GenerationEnded) -> generation_pb2.GenerationEnded:
    return generation_pb2.GenerationEnded(
        reason=_number(value.reason),
        prompt_tokens=value.prompt_tokens,
        cached_tokens=value.cached_tokens,
        generated_tokens=value.generated_tokens,
        timing=_timing_to_pb(value.timing),
    )


def _generation_ended(value: generation_pb2.GenerationEnded) -> m.GenerationEnded:
    return m.GenerationEnded(
        reason=_member(m.FinishReason, value.reason, "generation_ended.reason"),
        prompt_tokens=value.prompt_tokens,
        cached_tokens=value.cached_tokens,
        generated_tokens=value.generated_tokens,
        timing=_timing(value.timing),
    )


def _synthesize_to_pb(value: m.Synthesize) -> synthesis_pb2.Synthesize:
    return synthesis_pb2.Synthesize(
        segment_index=value.segment_index, text=value.text, speaking_rate=value.speaking_rate
    )


def _synthesize(value: synthesis_pb2.Synthesize) -> m.Synthesize:
    _require(1 <= len(value.text) <= SYNTHESIS_CHARS_MAX, "synthesize.text: must be 1 to 1000 characters")
    rate = _number_in(value.speaking_rate, 0.5, 2, "synthesize.speaking_rate")
    return m.Synthesize(segment_index=value.segment_index, text=value.text, speaking_rate=rate)


def _synthesis_ended_to_pb(value: m.SynthesisEnded) -> synthesis_pb2.SynthesisEnded:
    return synthesis_pb2.SynthesisEnded(
        segment_index=value.segment_index,
        total_samples=value.total_samples,
        timing=_timing_to_pb(value.timing),
        word_end_offset_samples=value.word_end_offset_samples,
    )


def _synthesis_ended(value: synthesis_pb2.SynthesisEnded) -> m.SynthesisEnded:
    ends = tuple(value.word_end_offset_samples)
    _require(list(ends) == sorted(ends), "synthesis_ended.word_end_offset_samples: must not fall")
    return m.SynthesisEnded(
        segment_index=value.segment_index,
        total_samples=value.total_samples,
        timing=_timing(value.timing),
        word_end_offset_samples=ends,
    )


def _cancel_transcription(value: speech_pb2.CancelTranscription) -> m.CancelTranscription:
    _require(value.utterance_id >= 1, "cancel_transcription.utterance_id: counts from 1")
    return m.CancelTranscription(utterance_id=value.utterance_id)


def _speech_started_to_pb(value: m.SpeechStarted) -> speech_pb2.SpeechStarted:
    return speech_pb2.SpeechStarted(
        start_offset_samples=value.start_offset_samples, detected_offset_samples=value.detected_offset_samples
    )


def _speech_started(value: speech_pb2.SpeechStarted) -> m.SpeechStarted:
    return m.SpeechStarted(
        start_offset_samples=value.start_offset_samples, detected_offset_samples=value.detected_offset_samples
    )


def _speech_ended_to_pb(value: m.SpeechEnded) -> speech_pb2.SpeechEnded:
    return speech_pb2.SpeechEnded(
        end_offset_samples=value.end_offset_samples, detected_offset_samples=value.detected_offset_samples
    )


def _speech_ended(value: speech_pb2.SpeechEnded) -> m.SpeechEnded:
    return m.SpeechEnded(
        end_offset_samples=value.end_offset_samples, detected_offset_samples=value.detected_offset_samples
    )


_Arm = tuple[str, Callable[[Any], Any], Callable[[Any], Any]]

_ARMS: Final[dict[type, _Arm]] = {
    m.Heartbeat: ("heartbeat", lambda _: control_pb2.Heartbeat(), lambda _: m.Heartbeat()),
    Failure: ("failure", _failure_to_pb, _failure),
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
    m.TurnLatency: ("turn_latency", _latency_to_pb, _latency),
    m.SessionConfigure: ("session_configure", _configure_to_pb, _configure),
    m.SessionReady: (
        "session_ready",
        lambda v: speech_pb2.SessionReady(scores_end_of_turn=v.scores_end_of_turn),
        lambda v: m.SessionReady(scores_end_of_turn=v.scores_end_of_turn),
    ),
    m.SpeechStarted: ("speech_started", _speech_started_to_pb, _speech_started),
    m.SpeechEnded: ("speech_ended", _speech_ended_to_pb, _speech_ended),
    m.Transcribe: ("transcribe", _transcribe_to_pb, _transcribe),
    m.CancelTranscription: (
        "cancel_transcription",
        lambda v: speech_pb2.CancelTranscription(utterance_id=v.utterance_id),
        _cancel_transcription,
    ),
    m.PrimePrompt: (
        "prime_prompt",
        lambda v: generation_pb2.PrimePrompt(messages=_chat_to_pb(v.messages)),
        lambda v: m.PrimePrompt(messages=_chat(v.messages)),
    ),
    m.Generate: ("generate", _generate_to_pb, _generate),
    m.GenerationEnded: ("generation_ended", _generation_ended_to_pb, _generation_ended),
    m.Synthesize: ("synthesize", _synthesize_to_pb, _synthesize),
    m.SynthesisEnded: ("synthesis_ended", _synthesis_ended_to_pb, _synthesis_ended),
    m.CancelRun: ("cancel_run", lambda _: generation_pb2.CancelRun(), lambda _: m.CancelRun()),
    m.RunStopped: ("run_stopped", lambda _: generation_pb2.RunStopped(), lambda _: m.RunStopped()),
    m.SessionClose: ("session_close", lambda _: generation_pb2.SessionClose(), lambda _: m.SessionClose()),
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
    m.ScoreEndOfTurn: ("score_end_of_turn", _score_to_pb, _score),
    m.EndOfTurnScored: ("end_of_turn_scored", _scored_to_pb, _scored),
    m.ToolRequested: (
        "tool_requested",
        lambda v: generation_pb2.ToolRequested(call_index=v.call_index, name=v.name, arguments=v.arguments),
        _tool_requested,
    ),
}
_DECODERS: Final = {name: decoder for name, _, decoder in _ARMS.values()}


# --- events


def encode(event: m.Event) -> event_pb2.Event:
    """The protobuf message of `event`. What is encoded is trusted; the receiver checks."""
    message = event_pb2.Event(
        session_id=event.session_id,
        sequence=event.sequence,
        sender_monotonic_us=event.sender_monotonic_us,
        run_id=event.run_id,
    )
    payload = event.payload
    if isinstance(payload, m.Audio):
        audio = message.audio
        audio.pcm = payload.pcm
        audio.offset_samples = payload.offset_samples
        audio.segment_index = payload.segment_index
    elif isinstance(payload, m.Transcript):
        message.transcript.CopyFrom(_transcript_to_pb(payload))
    else:
        name, encoder, _ = _ARMS[type(payload)]
        arm = getattr(message.control, name)
        arm.CopyFrom(encoder(payload))
        arm.SetInParent()
    return message


def _transcript_to_pb(value: m.Transcript) -> transcript_pb2.Transcript:
    return transcript_pb2.Transcript(
        speaker=_number(value.speaker),
        kind=_number(value.kind),
        text=value.text,
        utterance_id=value.utterance_id,
        revision=value.revision,
        segment_index=value.segment_index,
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
        mean_log_probability=value.mean_log_probability,
        timing=_timing_to_pb(value.timing),
        no_speech_probability=value.no_speech_probability,
    )


def decode_bytes(data: bytes, sender: Peer) -> m.Event:
    """`decode` of serialised bytes, with the same error for bytes that are no message at all."""
    try:
        message = event_pb2.Event.FromString(data)
    except DecodeError as error:
        raise _invalid("event: not a protobuf message", sender) from error
    return decode(message, sender)


def decode(message: event_pb2.Event, sender: Peer) -> m.Event:
    """The event in `message`, as far as `sender` may send it; raises VoiceAgentError INVALID_MESSAGE otherwise."""
    try:
        payload = _payload(message)
        _check_envelope(message, payload, sender)
    except _Broken as broken:
        raise _invalid(str(broken), sender) from broken
    return m.Event(
        session_id=message.session_id,
        sequence=message.sequence,
        sender_monotonic_us=message.sender_monotonic_us,
        payload=payload,
        run_id=message.run_id,
    )


def _invalid(detail: str, sender: Peer) -> VoiceAgentError:
    stage = Stage.EDGE if sender in (Peer.EDGE, Peer.ORCHESTRATOR_TO_EDGE) else Stage.LINK
    return VoiceAgentError(Failure(stage=stage, reason=FailureReason.INVALID_MESSAGE, detail=detail))


def _payload(message: event_pb2.Event) -> m.Payload:
    which = message.WhichOneof("payload")
    if which == "audio":
        return _audio(message.audio)
    if which == "transcript":
        return _transcript(message.transcript)
    _require(which is not None, "payload: none is set")
    arm = message.control.WhichOneof("arm")
    if arm is None:
        raise _Broken("control.arm: none is set")
    return cast("m.Payload", _DECODERS[arm](getattr(message.control, arm)))


def _audio(value: audio_pb2.Audio) -> m.Audio:
    length = len(value.pcm)
    _require(0 < length <= AUDIO_BYTES_MAX, "audio.pcm: must be 1 byte to 64 KiB")
    _require(length % 2 == 0, "audio.pcm: ends in the middle of a sample")
    return m.Audio(pcm=value.pcm, offset_samples=value.offset_samples, segment_index=value.segment_index)


def _transcript(value: transcript_pb2.Transcript) -> m.Transcript:
    probability = value.mean_log_probability
    _require(isfinite(probability) and probability <= 0, "transcript.mean_log_probability: must be 0 or below")
    return m.Transcript(
        speaker=_member(m.Speaker, value.speaker, "transcript.speaker"),
        kind=_member(m.TranscriptKind, value.kind, "transcript.kind"),
        text=value.text,
        utterance_id=value.utterance_id,
        revision=value.revision,
        segment_index=value.segment_index,
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
        mean_log_probability=probability,
        timing=_timing(value.timing),
        no_speech_probability=_number_in(
            value.no_speech_probability, 0, 1, "transcript.no_speech_probability"
        ),
    )


def _check_envelope(message: event_pb2.Event, payload: m.Payload, sender: Peer) -> None:
    kind = type(payload)
    _require(sender in ALLOWED_SENDER[kind], f"{kind.__name__}: may not be sent by this peer")
    _require(message.sequence >= 1, "sequence: counts from 1")
    if isinstance(payload, m.CallOpen):
        _require(not message.session_id, "session_id: chosen by the orchestrator")
    else:
        _require(1 <= len(message.session_id) <= SESSION_ID_CHARS_MAX, "session_id: must be 1 to 64 characters")
    run_needed = kind in RUN_SCOPED
    if isinstance(payload, m.Transcript):
        words = (payload.speaker, payload.kind)
        _require(words in TRANSCRIPT_SENDER[sender], "transcript: words of this kind may not be sent by this peer")
        run_needed = payload.speaker is m.Speaker.AGENT
    elif isinstance(payload, m.Audio):
        run_needed = sender in (Peer.INFERENCE, Peer.ORCHESTRATOR_TO_EDGE)
    elif kind in RUN_OPTIONAL:
        return
    _require(bool(message.run_id) == run_needed, f"run_id: {'required' if run_needed else 'not allowed here'}")


# --- Describe


def encode_description(value: m.NodeDescription) -> describe_pb2.DescribeResponse:
    """The protobuf message of a node's description."""
    return describe_pb2.DescribeResponse(
        version=value.version,
        ready=value.ready,
        engines=[
            describe_pb2.EngineDescription(
                stage=_number(engine.stage),
                engine=engine.engine,
                model=engine.model,
                device=engine.device,
                precision=engine.precision,
                languages=engine.languages,
                streaming=engine.streaming,
                word_times=engine.word_times,
                concurrency=engine.concurrency,
                voices=engine.voices,
            )
            for engine in value.engines
        ],
        session_slots=value.session_slots,
        free_session_slots=value.free_session_slots,
    )


def decode_description(message: describe_pb2.DescribeResponse) -> m.NodeDescription:
    """A node's description; raises VoiceAgentError INVALID_MESSAGE when it breaks the contract."""
    try:
        engines = tuple(
            m.EngineDescription(
                stage=_member(Stage, engine.stage, "engines.stage"),
                engine=engine.engine,
                model=engine.model,
                device=engine.device,
                precision=engine.precision,
                languages=tuple(engine.languages),
                streaming=engine.streaming,
                word_times=engine.word_times,
                concurrency=engine.concurrency,
                voices=tuple(engine.voices),
            )
            for engine in message.engines
        )
    except _Broken as broken:
        raise _invalid(str(broken), Peer.INFERENCE) from broken
    return m.NodeDescription(
        version=message.version,
        ready=message.ready,
        engines=engines,
        session_slots=message.session_slots,
        free_session_slots=message.free_session_slots,
    )


def describe_request() -> describe_pb2.DescribeRequest:
    """The request of Describe."""
    return describe_pb2.DescribeRequest()
