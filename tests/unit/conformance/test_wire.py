"""Bytes made by hand are what the codec reads, and what it reads has a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_contract.codec import Peer, decode_bytes, encode
from voice_contract.failures import VoiceAgentError
from voice_contract.messages import Audio, Event, Heartbeat
from voice_orchestrator.conformance import wire

HEARTBEAT = wire.field(wire.CONTROL, wire.field(1, b""))


@given(sequence=st.integers(1, 2**64 - 1), clock_us=st.integers(0, 2**64 - 1), session_id=st.text("abcé", min_size=1))
def test_an_envelope_made_by_hand_is_read_by_the_codec(sequence: int, clock_us: int, session_id: str) -> None:
    session_id = session_id[:64]
    event = decode_bytes(wire.envelope(session_id, sequence, clock_us) + HEARTBEAT, Peer.EDGE)
    assert event == Event(
        session_id=session_id, sequence=sequence, sender_monotonic_us=clock_us, payload=Heartbeat(), run_id=0
    )


@pytest.mark.parametrize(
    ("payload", "says"), [(b"", "payload: none is set"), (wire.control_of_unknown_arm(), "control.arm: none is set")]
)
def test_what_is_wrong_on_purpose_is_wrong_for_that_reason(payload: bytes, says: str) -> None:
    with pytest.raises(VoiceAgentError, match=says):
        decode_bytes(wire.envelope("abc", 1, 1) + payload, Peer.EDGE)
    with pytest.raises(VoiceAgentError, match="not a protobuf message"):
        decode_bytes(wire.NOT_A_MESSAGE, Peer.EDGE)


@given(sequence=st.integers(1, 2**64 - 1), run_id=st.integers(0, 9), pcm=st.binary(min_size=2, max_size=300))
def test_the_number_of_an_event_is_found_in_its_bytes(sequence: int, run_id: int, pcm: bytes) -> None:
    event = Event(
        session_id="abc",
        sequence=sequence,
        sender_monotonic_us=7,
        payload=Audio(pcm=pcm, offset_samples=3),
        run_id=run_id,
    )
    assert wire.sequence_of(encode(event).SerializeToString()) == sequence


@given(data=st.binary(max_size=40))
def test_whatever_bytes_come_the_search_for_a_number_ends(data: bytes) -> None:
    assert wire.sequence_of(data) is None or isinstance(wire.sequence_of(data), int)
