"""Every rule of a node's session finds what breaks it, by its name, and nothing in one that keeps them all."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.stream_logs import FRAME, Script, Step, good_session

from voice_contract import messages as m
from voice_contract.messages import Speaker, TranscriptKind
from voice_orchestrator.conformance.node_rules import SESSION_RULES
from voice_orchestrator.conformance.stream_log import StreamLog

Spoil = Callable[[Script], None]


def broken(log: StreamLog) -> set[str]:
    return {rule.name for rule, look in SESSION_RULES if look(log).problems}


def beat_first(script: Script) -> None:
    script.swap(script.index(m.SessionReady), script.index(m.Heartbeat))


def refuse_one(script: Script) -> None:
    script.refused.append("control.arm: none is set")


def spoil_numbers(script: Script) -> None:
    script.numbers = lambda at: max(1, at)


def spoil_clock(script: Script) -> None:
    script.clock_us = lambda at, at_s: 10_000_000 - at


def spoil_session(script: Script) -> None:
    script.session = lambda at: "mine" if at else "yours"


def end_before_the_beginning(script: Script) -> None:
    script.swap(script.index(m.SpeechStarted), script.index(m.SpeechEnded))


def answer_what_nobody_asked(script: Script) -> None:
    words = m.Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text="hello", utterance_id=7, revision=1)
    script.after(m.EndOfTurnScored, words)


def answer_as_partial(script: Script) -> None:
    script.change(m.Transcript, 1, kind=TranscriptKind.PARTIAL)


def answer_beyond_what_was_asked(script: Script) -> None:
    script.change(m.Transcript, 1, end_offset_samples=16_001)


def answer_in_the_wrong_order(script: Script) -> None:
    script.swap(script.index(m.Transcript), script.index(m.Transcript, 1))


def write_on(script: Script) -> None:
    script.after(
        m.GenerationEnded, m.Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text="more"), run_id=1
    )


def write_unasked(script: Script) -> None:
    script.after(
        m.GenerationEnded, m.Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text="more"), run_id=5
    )


def speak_in_the_wrong_order(script: Script) -> None:
    """The second segment sounds before the first."""
    first = [at for at, step in enumerate(script.steps) if _segment(step) == 0]
    second = [at for at, step in enumerate(script.steps) if _segment(step) == 1]
    for one, other in zip(first, second, strict=True):
        script.swap(one, other)


def _segment(step: Step) -> int | None:
    if not step.sent and isinstance(step.payload, m.Audio | m.SynthesisEnded):
        return step.payload.segment_index
    return None


def speak_unasked(script: Script) -> None:
    script.change(m.SynthesisEnded, 1, segment_index=9)


def sound_of_a_stopped_run(script: Script) -> None:
    late = m.Transcript(speaker=Speaker.AGENT, kind=TranscriptKind.DELTA, text="two")
    script.after(m.RunStopped, late, run_id=2)


def one_word_too_many(script: Script) -> None:
    script.change(m.SynthesisEnded, 0, word_end_offset_samples=(1, 2))


def word_beyond_the_end(script: Script) -> None:
    script.change(m.SynthesisEnded, 0, word_end_offset_samples=(2 * FRAME + 1,))


BREACHES: dict[str, tuple[Spoil, set[str]]] = {
    "an event that may not be sent": (refuse_one, {"understood"}),
    "the id of another session": (spoil_session, {"one_session"}),
    "a number twice": (spoil_numbers, {"sequence"}),
    "a clock that runs backwards": (spoil_clock, {"clock"}),
    "no heartbeats": (lambda script: script.drop_all(m.Heartbeat), {"heartbeats"}),
    "a heartbeat before session_ready": (beat_first, {"ready_first"}),
    "session_ready twice": (lambda script: script.again(m.SessionReady), {"ready_first"}),
    "an end before the beginning": (end_before_the_beginning, {"speech"}),
    "speech from the future": (lambda s: s.change(m.SpeechStarted, detected_offset_samples=99_999), {"speech"}),
    "speech that ends in the future": (lambda s: s.change(m.SpeechEnded, end_offset_samples=99_999), {"speech"}),
    "an answer twice": (lambda script: script.again(m.Transcript), {"transcripts"}),
    "an answer to nothing": (answer_what_nobody_asked, {"transcripts"}),
    "a partial answer": (answer_as_partial, {"transcripts"}),
    "an answer about more": (answer_beyond_what_was_asked, {"transcripts"}),
    "an answer that was superseded": (answer_in_the_wrong_order, {"superseded"}),
    "speech that falters before it began": (
        lambda script: script.change(m.SpeechFaltered, detected_offset_samples=4_000),
        {"speech"},
    ),
    "a score of words twice": (lambda script: script.again(m.WordsScored), {"scores"}),
    "a score of other words": (lambda script: script.change(m.WordsScored, revision=1), {"scores"}),
    "a score twice": (lambda script: script.again(m.EndOfTurnScored), {"scores"}),
    "a score of nothing": (lambda script: script.change(m.EndOfTurnScored, revision=3), {"scores"}),
    "text after its end": (write_on, {"generation"}),
    "text nobody asked for": (write_unasked, {"generation"}),
    "an end of text twice": (lambda script: script.again(m.GenerationEnded), {"generation"}),
    "sound with a gap": (lambda s: s.change(m.Audio, 1, offset_samples=FRAME + 1), {"synthesis"}),
    "a wrong total": (lambda script: script.change(m.SynthesisEnded, total_samples=1_000), {"synthesis"}),
    "an end of sound twice": (lambda script: script.again(m.SynthesisEnded), {"synthesis"}),
    "segments in the wrong order": (speak_in_the_wrong_order, {"synthesis"}),
    "a segment nobody asked for": (speak_unasked, {"synthesis", "word_ends"}),
    "too many words": (one_word_too_many, {"word_ends"}),
    "a word beyond the end": (word_beyond_the_end, {"word_ends"}),
    "work after run_stopped": (sound_of_a_stopped_run, {"stopped_last"}),
    "run_stopped twice": (lambda script: script.again(m.RunStopped), {"stopped_last"}),
}  # fmt: skip


def test_a_session_that_keeps_the_contract_breaks_no_rule_and_shows_all() -> None:
    log = good_session().log()
    assert broken(log) == set()
    assert {rule.name for rule, look in SESSION_RULES if look(log).seen} == {rule.name for rule, _ in SESSION_RULES}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found_by_the_name_of_its_rule(breach: str) -> None:
    spoil, names = BREACHES[breach]
    script = good_session()
    spoil(script)
    assert broken(script.log()) == names


def test_every_rule_has_a_breach() -> None:
    assert set().union(*(names for _, names in BREACHES.values())) == {rule.name for rule, _ in SESSION_RULES}


def test_a_second_cancel_may_be_answered() -> None:
    script = good_session()
    at = script.index(m.RunStopped)
    script.steps.insert(at, replace(script.steps[at], payload=m.CancelRun(), sent=True))
    script.again(m.RunStopped)
    assert broken(script.log()) == set()


def test_a_run_that_asked_for_tools_is_written_again() -> None:
    script = good_session()
    at = script.index(m.GenerationEnded)
    ended = script.steps[at]
    again = m.Generate(messages=(), max_tokens=5, temperature=0.0, top_p=1.0)
    script.steps[at + 1 : at + 1] = [replace(ended, payload=again, sent=True), ended]
    assert broken(script.log()) == set()
