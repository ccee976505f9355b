"""Control payloads of the inference stream, to and from protobuf."""

from math import isfinite
from typing import Any, Final

from voice_agent.v1 import generation_pb2, speech_pb2, synthesis_pb2
from voice_contract import messages as m
from voice_contract.codec_values import (
    Arm,
    duration_to_pb,
    enum_member,
    enum_number,
    inner_format_from_pb,
    ms_from_pb,
    number_in,
    require,
    set_formats,
    timing_from_pb,
    timing_to_pb,
)

SYNTHESIS_CHARS_MAX: Final = 1_000


def _chat_to_pb(values: tuple[m.ChatMessage, ...]) -> list[generation_pb2.ChatMessage]:
    return [
        generation_pb2.ChatMessage(
            role=enum_number(value.role),
            text=value.text,
            tool_call_id=value.tool_call_id,
            tool_name=value.tool_name,
            tool_arguments=value.tool_arguments,
        )
        for value in values
    ]


def _chat(values: Any) -> tuple[m.ChatMessage, ...]:  # noqa: ANN401
    require(len(values) > 0, "messages: at least one")
    return tuple(
        m.ChatMessage(
            role=enum_member(m.ChatRole, v.role, "messages.role"),
            text=v.text,
            tool_call_id=v.tool_call_id,
            tool_name=v.tool_name,
            tool_arguments=v.tool_arguments,
        )
        for v in values
    )


def _configure_to_pb(value: m.SessionConfigure) -> speech_pb2.SessionConfigure:
    message = speech_pb2.SessionConfigure(language=value.language, voice=value.voice)
    set_formats(message, value.caller_format, value.agent_format)
    if value.vad is not None:
        message.vad.CopyFrom(
            speech_pb2.VadSettings(
                activation_threshold=value.vad.activation_threshold,
                deactivation_threshold=value.vad.deactivation_threshold,
                min_speech=duration_to_pb(value.vad.min_speech_ms),
                min_silence=duration_to_pb(value.vad.min_silence_ms),
            )
        )
    return message


def _configure(value: speech_pb2.SessionConfigure) -> m.SessionConfigure:
    require(bool(value.language), "session_configure.language: required")
    caller = inner_format_from_pb(value, "caller_format")
    require(caller is None or value.HasField("vad"), "session_configure.vad: required with caller_format")
    vad = None
    if value.HasField("vad"):
        high, low = value.vad.activation_threshold, value.vad.deactivation_threshold
        require(0 < high < 1, "vad.activation_threshold: must be above 0 and below 1")
        require(0 < low <= high, "vad.deactivation_threshold: must be above 0 and at most activation_threshold")
        vad = m.VadSettings(
            activation_threshold=high,
            deactivation_threshold=low,
            min_speech_ms=ms_from_pb(value.vad.min_speech, "vad.min_speech"),
            min_silence_ms=ms_from_pb(value.vad.min_silence, "vad.min_silence"),
        )
    return m.SessionConfigure(
        caller_format=caller,
        agent_format=inner_format_from_pb(value, "agent_format"),
        language=value.language,
        voice=value.voice,
        vad=vad,
    )


def _transcribe_to_pb(value: m.Transcribe) -> speech_pb2.Transcribe:
    return speech_pb2.Transcribe(
        utterance_id=value.utterance_id,
        revision=value.revision,
        kind=enum_number(value.kind),
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
    )


def _require_revision(
    value: speech_pb2.Transcribe | speech_pb2.ScoreEndOfTurn | generation_pb2.ScoreWords, name: str
) -> None:
    """Of an utterance, which a request has to name."""
    require(value.utterance_id >= 1, f"{name}.utterance_id: counts from 1")
    require(value.revision >= 1, f"{name}.revision: counts from 1")


def _transcribe(value: speech_pb2.Transcribe) -> m.Transcribe:
    _require_revision(value, "transcribe")
    end = value.end_offset_samples
    require(end == 0 or end > value.start_offset_samples, "transcribe.end_offset_samples: must lie behind the start")
    return m.Transcribe(
        utterance_id=value.utterance_id,
        revision=value.revision,
        kind=enum_member(m.TranscribeKind, value.kind, "transcribe.kind"),
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
    _require_revision(value, "score_end_of_turn")
    start, end = value.start_offset_samples, value.end_offset_samples
    require(end > start, "score_end_of_turn.end_offset_samples: must lie behind the start")
    return m.ScoreEndOfTurn(
        utterance_id=value.utterance_id, revision=value.revision, start_offset_samples=start, end_offset_samples=end
    )


def _scored_to_pb(value: m.EndOfTurnScored) -> speech_pb2.EndOfTurnScored:
    return speech_pb2.EndOfTurnScored(
        utterance_id=value.utterance_id,
        revision=value.revision,
        probability=value.probability,
        timing=timing_to_pb(value.timing),
    )


def _scored(value: speech_pb2.EndOfTurnScored) -> m.EndOfTurnScored:
    return m.EndOfTurnScored(
        utterance_id=value.utterance_id,
        revision=value.revision,
        probability=number_in(value.probability, 0, 1, "end_of_turn_scored.probability"),
        timing=timing_from_pb(value.timing),
    )


def _score_words_to_pb(value: m.ScoreWords) -> generation_pb2.ScoreWords:
    return generation_pb2.ScoreWords(
        utterance_id=value.utterance_id, revision=value.revision, messages=_chat_to_pb(value.messages)
    )


def _score_words(value: generation_pb2.ScoreWords) -> m.ScoreWords:
    _require_revision(value, "score_words")
    return m.ScoreWords(utterance_id=value.utterance_id, revision=value.revision, messages=_chat(value.messages))


def _words_scored_to_pb(value: m.WordsScored) -> generation_pb2.WordsScored:
    return generation_pb2.WordsScored(
        utterance_id=value.utterance_id,
        revision=value.revision,
        probability=value.probability,
        timing=timing_to_pb(value.timing),
    )


def _words_scored(value: generation_pb2.WordsScored) -> m.WordsScored:
    return m.WordsScored(
        utterance_id=value.utterance_id,
        revision=value.revision,
        probability=number_in(value.probability, 0, 1, "words_scored.probability"),
        timing=timing_from_pb(value.timing),
    )


def _tools_to_pb(values: tuple[m.ToolDeclaration, ...]) -> list[generation_pb2.ToolDeclaration]:
    return [
        generation_pb2.ToolDeclaration(
            name=value.name, description=value.description, parameters_schema=value.parameters_schema
        )
        for value in values
    ]


def _tools(values: Any) -> tuple[m.ToolDeclaration, ...]:  # noqa: ANN401
    require(all(value.name for value in values), "generate.tools.name: required")
    return tuple(
        m.ToolDeclaration(name=value.name, description=value.description, parameters_schema=value.parameters_schema)
        for value in values
    )


def _tool_requested(value: generation_pb2.ToolRequested) -> m.ToolRequested:
    require(bool(value.name), "tool_requested.name: required")
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
    require(value.max_tokens >= 1, "generate.max_tokens: at least 1")
    require(isfinite(value.top_p) and 0 < value.top_p <= 1, "generate.top_p: must be above 0 and at most 1")
    return m.Generate(
        messages=_chat(value.messages),
        max_tokens=value.max_tokens,
        temperature=number_in(value.temperature, 0, 2, "generate.temperature"),
        top_p=value.top_p,
        seed=value.seed,
        stop=tuple(value.stop),
        tools=_tools(value.tools),
    )


def _generation_ended_to_pb(value: m.GenerationEnded) -> generation_pb2.GenerationEnded:
    return generation_pb2.GenerationEnded(
        reason=enum_number(value.reason),
        prompt_tokens=value.prompt_tokens,
        cached_tokens=value.cached_tokens,
        generated_tokens=value.generated_tokens,
        timing=timing_to_pb(value.timing),
    )


def _generation_ended(value: generation_pb2.GenerationEnded) -> m.GenerationEnded:
    return m.GenerationEnded(
        reason=enum_member(m.FinishReason, value.reason, "generation_ended.reason"),
        prompt_tokens=value.prompt_tokens,
        cached_tokens=value.cached_tokens,
        generated_tokens=value.generated_tokens,
        timing=timing_from_pb(value.timing),
    )


def _synthesize_to_pb(value: m.Synthesize) -> synthesis_pb2.Synthesize:
    return synthesis_pb2.Synthesize(
        segment_index=value.segment_index, text=value.text, speaking_rate=value.speaking_rate
    )


def _synthesize(value: synthesis_pb2.Synthesize) -> m.Synthesize:
    require(1 <= len(value.text) <= SYNTHESIS_CHARS_MAX, "synthesize.text: must be 1 to 1000 characters")
    rate = number_in(value.speaking_rate, 0.5, 2, "synthesize.speaking_rate")
    return m.Synthesize(segment_index=value.segment_index, text=value.text, speaking_rate=rate)


def _synthesis_ended_to_pb(value: m.SynthesisEnded) -> synthesis_pb2.SynthesisEnded:
    return synthesis_pb2.SynthesisEnded(
        segment_index=value.segment_index,
        total_samples=value.total_samples,
        timing=timing_to_pb(value.timing),
        word_end_offset_samples=value.word_end_offset_samples,
    )


def _synthesis_ended(value: synthesis_pb2.SynthesisEnded) -> m.SynthesisEnded:
    ends = tuple(value.word_end_offset_samples)
    require(list(ends) == sorted(ends), "synthesis_ended.word_end_offset_samples: must not fall")
    return m.SynthesisEnded(
        segment_index=value.segment_index,
        total_samples=value.total_samples,
        timing=timing_from_pb(value.timing),
        word_end_offset_samples=ends,
    )


def _cancel_transcription(value: speech_pb2.CancelTranscription) -> m.CancelTranscription:
    require(value.utterance_id >= 1, "cancel_transcription.utterance_id: counts from 1")
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


INFERENCE_ARMS: Final[dict[type, Arm]] = {
    m.SessionConfigure: ("session_configure", _configure_to_pb, _configure),
    m.SessionReady: (
        "session_ready",
        lambda v: speech_pb2.SessionReady(scores_end_of_turn=v.scores_end_of_turn, scores_words=v.scores_words),
        lambda v: m.SessionReady(scores_end_of_turn=v.scores_end_of_turn, scores_words=v.scores_words),
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
    m.ScoreEndOfTurn: ("score_end_of_turn", _score_to_pb, _score),
    m.EndOfTurnScored: ("end_of_turn_scored", _scored_to_pb, _scored),
    m.ToolRequested: (
        "tool_requested",
        lambda v: generation_pb2.ToolRequested(call_index=v.call_index, name=v.name, arguments=v.arguments),
        _tool_requested,
    ),
    m.SpeechFaltered: (
        "speech_faltered",
        lambda v: speech_pb2.SpeechFaltered(detected_offset_samples=v.detected_offset_samples),
        lambda v: m.SpeechFaltered(detected_offset_samples=v.detected_offset_samples),
    ),
    m.ScoreWords: ("score_words", _score_words_to_pb, _score_words),
    m.WordsScored: ("words_scored", _words_scored_to_pb, _words_scored),
}
"""Every payload that only the inference stream carries."""
