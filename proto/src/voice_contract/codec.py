"""Translates between `messages` and protobuf, and refuses what breaks the contract.

`decode` raises VoiceAgentError with reason INVALID_MESSAGE, and nothing else, for whatever a peer sends; its detail
names the field and the rule and holds nothing a person said. Protobuf classes are used here and nowhere else.
"""

from math import isfinite
from typing import Final, cast

from google.protobuf.message import DecodeError

from voice_agent.v1 import audio_pb2, control_pb2, describe_pb2, event_pb2, transcript_pb2
from voice_contract import messages as m
from voice_contract.channel_options import AUDIO_BYTES_MAX
from voice_contract.codec_edge import EDGE_ARMS
from voice_contract.codec_inference import INFERENCE_ARMS
from voice_contract.codec_values import (
    Arm,
    BrokenRuleError,
    enum_member,
    enum_number,
    failure_from_pb,
    failure_to_pb,
    number_in,
    require,
    timing_from_pb,
    timing_to_pb,
)
from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.senders import ALLOWED_SENDER, RUN_OPTIONAL, RUN_SCOPED, TRANSCRIPT_SENDER, Peer

__all__ = ["Peer", "decode", "decode_bytes", "decode_description", "describe_request", "encode", "encode_description"]

SESSION_ID_CHARS_MAX: Final = 64

ARMS: Final[dict[type, Arm]] = {
    m.Heartbeat: ("heartbeat", lambda _: control_pb2.Heartbeat(), lambda _: m.Heartbeat()),
    Failure: ("failure", failure_to_pb, failure_from_pb),
    **EDGE_ARMS,
    **INFERENCE_ARMS,
}
"""Every payload of Control."""
DECODERS: Final = {name: decoder for name, _, decoder in ARMS.values()}


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
        name, encoder, _ = ARMS[type(payload)]
        arm = getattr(message.control, name)
        arm.CopyFrom(encoder(payload))
        arm.SetInParent()
    return message


def _transcript_to_pb(value: m.Transcript) -> transcript_pb2.Transcript:
    return transcript_pb2.Transcript(
        speaker=enum_number(value.speaker),
        kind=enum_number(value.kind),
        text=value.text,
        utterance_id=value.utterance_id,
        revision=value.revision,
        segment_index=value.segment_index,
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
        mean_log_probability=value.mean_log_probability,
        timing=timing_to_pb(value.timing),
        no_speech_probability=value.no_speech_probability,
        continuation_probability=value.continuation_probability,
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
        payload = _payload(message, sender)
        _check_envelope(message, payload, sender)
    except BrokenRuleError as broken:
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


def _payload(message: event_pb2.Event, sender: Peer) -> m.Payload:
    which = message.WhichOneof("payload")
    if which == "audio":
        return _audio(message.audio, sender)
    if which == "transcript":
        return _transcript(message.transcript)
    require(which is not None, "payload: none is set")
    arm = message.control.WhichOneof("arm")
    if arm is None:
        raise BrokenRuleError("control.arm: none is set")
    return cast("m.Payload", DECODERS[arm](getattr(message.control, arm)))


def _audio(value: audio_pb2.Audio, sender: Peer) -> m.Audio:
    length = len(value.pcm)
    require(0 < length <= AUDIO_BYTES_MAX, "audio.pcm: must be 1 byte to 64 KiB")
    # On the edge stream the size of a sample is the session's own; who knows its format checks it.
    inner = sender in (Peer.ORCHESTRATOR_TO_INFERENCE, Peer.INFERENCE)
    require(not inner or length % 2 == 0, "audio.pcm: ends in the middle of a sample")
    return m.Audio(pcm=value.pcm, offset_samples=value.offset_samples, segment_index=value.segment_index)


def _transcript(value: transcript_pb2.Transcript) -> m.Transcript:
    probability = value.mean_log_probability
    require(isfinite(probability) and probability <= 0, "transcript.mean_log_probability: must be 0 or below")
    return m.Transcript(
        speaker=enum_member(m.Speaker, value.speaker, "transcript.speaker"),
        kind=enum_member(m.TranscriptKind, value.kind, "transcript.kind"),
        text=value.text,
        utterance_id=value.utterance_id,
        revision=value.revision,
        segment_index=value.segment_index,
        start_offset_samples=value.start_offset_samples,
        end_offset_samples=value.end_offset_samples,
        mean_log_probability=probability,
        timing=timing_from_pb(value.timing),
        no_speech_probability=number_in(value.no_speech_probability, 0, 1, "transcript.no_speech_probability"),
        continuation_probability=number_in(value.continuation_probability, 0, 1, "transcript.continuation_probability"),
    )


def _check_envelope(message: event_pb2.Event, payload: m.Payload, sender: Peer) -> None:
    kind = type(payload)
    require(sender in ALLOWED_SENDER[kind], f"{kind.__name__}: may not be sent by this peer")
    require(message.sequence >= 1, "sequence: counts from 1")
    if isinstance(payload, m.CallOpen):
        require(not message.session_id, "session_id: chosen by the orchestrator")
    else:
        require(1 <= len(message.session_id) <= SESSION_ID_CHARS_MAX, "session_id: must be 1 to 64 characters")
    run_needed = kind in RUN_SCOPED
    if isinstance(payload, m.Transcript):
        words = (payload.speaker, payload.kind)
        require(words in TRANSCRIPT_SENDER[sender], "transcript: words of this kind may not be sent by this peer")
        run_needed = payload.speaker is m.Speaker.AGENT
    elif isinstance(payload, m.Audio):
        run_needed = sender in (Peer.INFERENCE, Peer.ORCHESTRATOR_TO_EDGE)
    elif kind in RUN_OPTIONAL:
        return
    require(bool(message.run_id) == run_needed, f"run_id: {'required' if run_needed else 'not allowed here'}")


# --- Describe


def encode_description(value: m.NodeDescription) -> describe_pb2.DescribeResponse:
    """The protobuf message of a node's description."""
    return describe_pb2.DescribeResponse(
        version=value.version,
        ready=value.ready,
        engines=[
            describe_pb2.EngineDescription(
                stage=enum_number(engine.stage),
                engine=engine.engine,
                model=engine.model,
                device=engine.device,
                precision=engine.precision,
                languages=engine.languages,
                streaming=engine.streaming,
                word_times=engine.word_times,
                concurrency=engine.concurrency,
                voices=engine.voices,
                tools=engine.tools,
                scores_words=engine.scores_words,
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
                stage=enum_member(Stage, engine.stage, "engines.stage"),
                engine=engine.engine,
                model=engine.model,
                device=engine.device,
                precision=engine.precision,
                languages=tuple(engine.languages),
                streaming=engine.streaming,
                word_times=engine.word_times,
                concurrency=engine.concurrency,
                voices=tuple(engine.voices),
                tools=engine.tools,
                scores_words=engine.scores_words,
            )
            for engine in message.engines
        )
    except BrokenRuleError as broken:
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
