"""Random values of everything the contract can carry, each from a peer that may send it."""

import dataclasses
import enum
import typing
from typing import Any

from hypothesis import strategies as st

from voice_contract import messages as m
from voice_contract.failures import Failure
from voice_contract.messages import Event
from voice_contract.senders import ALLOWED_SENDER, RUN_OPTIONAL, RUN_SCOPED, TRANSCRIPT_SENDER, Peer

PAYLOADS: tuple[type[Any], ...] = typing.get_args(m.Payload)
UINT32 = st.integers(0, 2**32 - 1)
UINT63 = st.integers(0, 2**63 - 1)
SPAN_MS = st.integers(0, 10**9)
TEXT = st.text(max_size=60)


def _field(owner: type[Any], name: str, hint: Any) -> st.SearchStrategy[Any]:
    special = SPECIAL.get((owner, name), BY_NAME.get(name))
    if special is not None:
        return special
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if hint is str:
        return TEXT
    if hint is bool:
        return st.booleans()
    if hint is int:
        return SPAN_MS if name.endswith("_ms") else UINT32
    if dataclasses.is_dataclass(hint):
        return instances(typing.cast("type[Any]", hint))
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    return st.none() | _field(owner, name, options[0])


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Values of a dataclass of the contract."""
    if kind is m.TurnLatency:
        return st.lists(SPAN_MS, min_size=6, max_size=6).map(_latency)
    if kind is m.ScoreEndOfTurn:
        return st.builds(_score, UINT32, UINT32, st.integers(1, 10**6))
    if kind is m.SessionConfigure:
        return st.builds(_configure, st.booleans(), st.booleans(), instances(m.VadSettings), TEXT)
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{f.name: _field(kind, f.name, hints[f.name]) for f in dataclasses.fields(kind)})


def _latency(stages: list[int]) -> m.TurnLatency:
    names = ("endpointing", "transcription", "first_token", "first_clause", "synthesis", "delivery")
    spans = {f"{name}_ms": stage for name, stage in zip(names, stages, strict=True)}
    return m.TurnLatency(utterance_id=1, total_ms=sum(stages), **spans)


def _score(utterance_id: int, start: int, length: int) -> m.ScoreEndOfTurn:
    return m.ScoreEndOfTurn(
        utterance_id=utterance_id + 1, revision=1, start_offset_samples=start, end_offset_samples=start + length
    )


def _configure(listens: bool, speaks: bool, vad: m.VadSettings, voice: str) -> m.SessionConfigure:
    return m.SessionConfigure(
        caller_format=m.AudioFormat() if listens else None,
        agent_format=m.AudioFormat() if speaks else None,
        language="en-US",
        voice=voice,
        vad=vad if listens else None,
    )


BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "pcm": st.binary(min_size=1, max_size=320).map(lambda data: data + data),
    "utterance_id": st.integers(1, 2**31),
    "revision": st.integers(1, 2**31),
    "end_offset_samples": st.just(0),
    "caller_id": st.text(max_size=128),
    "offset_samples": UINT63,
    "played_samples": UINT63,
    "total_samples": UINT63,
    "sample_rate_hz": st.sampled_from([8_000, 16_000]),
    "mean_log_probability": st.floats(0, 50, width=32).map(lambda value: 0.0 - value),
    "no_speech_probability": st.floats(0, 1, width=32),
    "continuation_probability": st.floats(0, 1, width=32),
    "probability": st.floats(0, 1, width=32),
    "word_end_offset_samples": st.lists(st.integers(0, 2**40), max_size=5).map(lambda ends: tuple(sorted(ends))),
    "key": st.sampled_from("0123456789ABCD*#"),
    "temperature": st.floats(0, 2, width=32),
    "top_p": st.floats(0.0625, 1, width=32),
    "speaking_rate": st.floats(0.5, 2, width=32),
    "max_tokens": st.integers(1, 4_000),
    "stop": st.lists(TEXT, max_size=3).map(tuple),
    "activation_threshold": st.floats(0.5, 0.9375, width=32),
    "deactivation_threshold": st.floats(0.0625, 0.5, width=32),
    "profile": st.text(min_size=1, max_size=20),
    "messages": st.lists(
        st.builds(m.ChatMessage, role=st.sampled_from(m.ChatRole), text=TEXT, tool_call_id=TEXT, tool_arguments=TEXT),
        min_size=1,
        max_size=4,
    ).map(tuple),
    "tools": st.lists(
        st.builds(m.ToolDeclaration, name=st.text(min_size=1, max_size=9), description=TEXT, parameters_schema=TEXT),
        max_size=2,
    ).map(tuple),
}
SPECIAL: dict[tuple[type[Any], str], st.SearchStrategy[Any]] = {
    (m.Synthesize, "text"): st.text(min_size=1, max_size=100),
    (Failure, "utterance_id"): UINT32,
    (m.ToolRequested, "name"): st.text(min_size=1, max_size=20),
}


@st.composite
def events(draw: st.DrawFn, kind: type[Any] | None = None) -> tuple[Event, Peer]:
    """An event and a peer that may send it."""
    chosen = kind or draw(st.sampled_from(PAYLOADS))
    sender = draw(st.sampled_from(sorted(ALLOWED_SENDER[chosen], key=lambda peer: peer.value)))
    payload = draw(instances(chosen))
    if isinstance(payload, m.Transcript):
        words = sorted(TRANSCRIPT_SENDER[sender], key=repr)
        speaker, transcript_kind = draw(st.sampled_from(words))
        payload = dataclasses.replace(payload, speaker=speaker, kind=transcript_kind)
    event = Event(
        session_id="" if chosen is m.CallOpen else draw(st.text("abc123", min_size=1, max_size=64)),
        sequence=draw(st.integers(1, 2**63 - 1)),
        sender_monotonic_us=draw(UINT63),
        payload=payload,
        run_id=draw(_run_id(payload, sender)),
    )
    return event, sender


def _run_id(payload: m.Payload, sender: Peer) -> st.SearchStrategy[int]:
    kind = type(payload)
    if isinstance(payload, m.Transcript):
        needed = payload.speaker is m.Speaker.AGENT
    elif isinstance(payload, m.Audio):
        needed = sender in (Peer.INFERENCE, Peer.ORCHESTRATOR_TO_EDGE)
    elif kind in RUN_OPTIONAL:
        return UINT32
    else:
        needed = kind in RUN_SCOPED
    return st.integers(1, 2**32 - 1) if needed else st.just(0)
