"""What goes over the wire comes out as it went in, and nothing else is let through."""

import dataclasses
import typing
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract_values import PAYLOADS, events

from voice_agent.v1 import control_pb2, event_pb2, failure_pb2
from voice_contract import codec
from voice_contract import messages as m
from voice_contract.codec import Peer, decode, decode_bytes, encode
from voice_contract.codec_values import ENUMS
from voice_contract.failures import CALLER_TEXT, Failure, FailureReason, Stage, VoiceAgentError
from voice_contract.senders import ALLOWED_SENDER
from voice_contract.sequencing import EventSequencer, SequenceGuard


@pytest.mark.parametrize("kind", PAYLOADS, ids=lambda kind: str(kind.__name__))
@settings(max_examples=25, derandomize=True)
@given(data=st.data())
def test_every_payload_survives_the_wire(kind: type[Any], data: st.DataObject) -> None:
    event, sender = data.draw(events(kind))
    assert decode_bytes(encode(event).SerializeToString(), sender) == event


@pytest.mark.parametrize("kind", PAYLOADS, ids=lambda kind: str(kind.__name__))
@settings(max_examples=10, derandomize=True)
@given(data=st.data())
def test_a_peer_that_may_not_send_it_is_refused(kind: type[Any], data: st.DataObject) -> None:
    event, _ = data.draw(events(kind))
    for peer in set(Peer) - ALLOWED_SENDER[kind]:
        with pytest.raises(VoiceAgentError) as refused:
            decode(encode(event), peer)
        assert refused.value.failure.reason is FailureReason.INVALID_MESSAGE


@settings(max_examples=300, derandomize=True)
@given(st.binary(max_size=200), st.sampled_from(Peer))
def test_bytes_that_are_no_message_are_refused_and_nothing_else(data: bytes, sender: Peer) -> None:
    try:
        decode_bytes(data, sender)
    except VoiceAgentError as error:
        assert error.failure.reason is FailureReason.INVALID_MESSAGE


@settings(max_examples=300, derandomize=True)
@given(events(), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_message_is_refused_or_read_as_another_valid_one(
    sent: tuple[m.Event, Peer], at: int, value: int
) -> None:
    data = bytearray(encode(sent[0]).SerializeToString())
    data[at % len(data)] = value
    try:
        event = decode_bytes(bytes(data), sent[1])
    except VoiceAgentError as error:
        assert error.failure.reason is FailureReason.INVALID_MESSAGE
    else:
        assert decode(encode(event), sent[1]) == event


def event_with(**fields: Any) -> event_pb2.Event:
    return event_pb2.Event(session_id="s", sequence=1, **fields)


@pytest.mark.parametrize(
    ("message", "sender", "says"),
    [
        (event_with(), Peer.EDGE, "payload: none is set"),
        (event_with(control=control_pb2.Control()), Peer.EDGE, "control.arm: none is set"),
        (
            event_with(control=control_pb2.Control(phase_changed=control_pb2.PhaseChanged())),
            Peer.ORCHESTRATOR_TO_EDGE,
            "phase_changed.from_phase: unspecified",
        ),
        (
            event_with(control=control_pb2.Control(failure=failure_pb2.Failure.FromString(bytes([8, 99])))),
            Peer.INFERENCE,
            "failure.stage: unknown value 99",
        ),
    ],
)
def test_what_is_not_set_is_named(message: event_pb2.Event, sender: Peer, says: str) -> None:
    with pytest.raises(VoiceAgentError) as refused:
        decode(message, sender)
    assert refused.value.failure.detail == says


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (m.Audio(pcm=b"", offset_samples=0), "audio.pcm: must be 1 byte to 64 KiB"),
        (m.Audio(pcm=bytes(65_538), offset_samples=0), "audio.pcm: must be 1 byte to 64 KiB"),
    ],
)
def test_sound_has_limits(payload: m.Audio, says: str) -> None:
    event = m.Event(session_id="s", sequence=1, sender_monotonic_us=0, payload=payload)
    with pytest.raises(VoiceAgentError) as refused:
        decode(encode(event), Peer.EDGE)
    assert refused.value.failure.detail == says


def test_sound_on_the_inference_stream_has_whole_16_bit_samples_and_an_edge_may_send_one_byte_a_sample() -> None:
    odd = m.Audio(pcm=b"abc", offset_samples=0)
    event = m.Event(session_id="s", sequence=1, sender_monotonic_us=0, payload=odd)
    assert decode(encode(event), Peer.EDGE).payload == odd
    with pytest.raises(VoiceAgentError) as refused:
        decode(encode(event), Peer.ORCHESTRATOR_TO_INFERENCE)
    assert refused.value.failure.detail == "audio.pcm: ends in the middle of a sample"


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (m.Event(session_id="", sequence=1, sender_monotonic_us=0, payload=m.HangUp()), "session_id: must be 1 to 64"),
        (m.Event(session_id="s", sequence=0, sender_monotonic_us=0, payload=m.HangUp()), "sequence: counts from 1"),
        (
            m.Event(session_id="s", sequence=1, sender_monotonic_us=0, payload=m.HangUp(), run_id=3),
            "run_id: not allowed",
        ),
        (
            m.Event(session_id="s", sequence=1, sender_monotonic_us=0, payload=m.PlayoutPosition(played_samples=1)),
            "run_id: required",
        ),
    ],
)
def test_the_envelope_is_checked(event: m.Event, says: str) -> None:
    with pytest.raises(VoiceAgentError) as refused:
        decode(encode(event), Peer.EDGE)
    assert refused.value.failure.detail.startswith(says)


def test_an_edge_does_not_choose_the_session_id() -> None:
    opened = m.CallOpen(profile="p", caller_format=None, agent_format=None)
    event = m.Event(session_id="mine", sequence=1, sender_monotonic_us=0, payload=opened)
    with pytest.raises(VoiceAgentError, match="chosen by the orchestrator"):
        decode(encode(event), Peer.EDGE)


def test_stages_that_do_not_add_up_are_refused() -> None:
    latency = m.TurnLatency(
        utterance_id=1,
        total_ms=100,
        endpointing_ms=1,
        transcription_ms=1,
        first_token_ms=1,
        first_clause_ms=1,
        synthesis_ms=1,
        delivery_ms=1,
    )
    event = m.Event(session_id="s", sequence=1, sender_monotonic_us=0, payload=latency, run_id=1)
    with pytest.raises(VoiceAgentError, match="do not add up"):
        decode(encode(event), Peer.ORCHESTRATOR_TO_EDGE)


def enums_of_the_contract() -> list[type[Enum]]:
    return [
        FailureReason,
        *(value for value in vars(m).values() if isinstance(value, type) and issubclass(value, Enum)),
    ]


@pytest.mark.parametrize("kind", enums_of_the_contract(), ids=lambda kind: str(kind.__name__))
def test_every_enum_is_the_one_of_the_contract_with_unspecified_as_zero(kind: type[Enum]) -> None:
    if kind is Enum:
        return
    proto, prefix = ENUMS[kind]
    wire = {name.removeprefix(prefix) for name, number in proto.items() if number}
    assert wire == {member.name for member in kind}
    assert proto.Name(0) == f"{prefix}UNSPECIFIED"


def test_every_reason_has_a_sentence_for_the_caller() -> None:
    assert set(CALLER_TEXT) == set(FailureReason)


def test_every_arm_of_the_contract_has_a_value_and_a_sender() -> None:
    arms = {field.name for field in control_pb2.Control.DESCRIPTOR.oneofs_by_name["arm"].fields}
    assert arms == set(codec.DECODERS)
    assert set(ALLOWED_SENDER) == set(typing.get_args(m.Payload))


def test_descriptions_survive_the_wire() -> None:
    engine = m.EngineDescription(
        stage=Stage.TTS, engine="piper", model="joe", device="cpu", languages=("en",), voices=("joe",), tools=True
    )
    node = m.NodeDescription(version="1", ready=True, engines=(engine,), session_slots=4, free_session_slots=3)
    assert codec.decode_description(codec.encode_description(node)) == node


def test_a_description_with_an_unknown_stage_is_refused() -> None:
    engine = m.EngineDescription(stage=Stage.TTS, engine="piper", model="joe", device="cpu")
    node = m.NodeDescription(version="1", ready=True, engines=(engine,), session_slots=4, free_session_slots=3)
    message = codec.encode_description(node)
    message.engines[0].ClearField("stage")
    with pytest.raises(VoiceAgentError, match="unspecified"):
        codec.decode_description(message)


def test_a_stream_whose_count_jumps_is_refused() -> None:
    sequencer, guard = EventSequencer("s", lambda: 7), SequenceGuard()
    first, second, third = (sequencer.make(m.Heartbeat()) for _ in range(3))
    guard.accept(first)
    with pytest.raises(VoiceAgentError, match="3 does not follow 1"):
        guard.accept(third)
    guard.accept(second)
    with pytest.raises(VoiceAgentError):
        guard.accept(dataclasses.replace(second))


def test_failures_name_their_reason_when_they_have_no_detail() -> None:
    failure = Failure(stage=Stage.LLM, reason=FailureReason.OVERLOADED)
    assert str(VoiceAgentError(failure)) == "llm: overloaded"
    assert failure.retryable
    assert failure.caller_text.startswith("We are very busy")
