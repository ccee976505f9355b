"""Every rule of a call finds what breaks it, by its name, and nothing in a call that keeps them all."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.stream_logs import FRAME, Script, Step, good_call

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import EndCause, Phase, Speaker, TranscriptKind
from voice_orchestrator.conformance.edge_rules import CALL_RULES
from voice_orchestrator.conformance.stream_log import StreamLog

Spoil = Callable[[Script], None]


def broken(log: StreamLog) -> set[str]:
    return {rule.name for rule, look in CALL_RULES if look(log).problems}


def seen(log: StreamLog) -> set[str]:
    return {rule.name for rule, look in CALL_RULES if look(log).seen}


def spoil_numbers(script: Script) -> None:
    script.numbers = lambda at: at + 1 if at < 9 else at + 2


def spoil_clock(script: Script) -> None:
    script.clock_us = lambda at, at_s: int(at_s * 1e6) - (500_000 if at == 7 else 0)


def spoil_session(script: Script) -> None:
    script.session = lambda at: "xyz" if at == 5 else "abc"


def refuse_one(script: Script) -> None:
    script.refused.append("Dtmf: may not be sent by this peer")


def change_phase_before(script: Script) -> None:
    script.swap(script.index(m.CallAccepted), script.index(m.PhaseChanged))


def sound_at_once(script: Script) -> None:
    """Six frames of the greeting come with the first."""
    first = script.index(m.Audio)
    for nth in range(1, 7):
        script.move(script.index(m.Audio, nth), first + nth)


def sound_of_an_old_run(script: Script) -> None:
    last = max(script.index(m.Audio, nth, 2) for nth in range(5))
    old = Step(payload=m.Audio(pcm=bytes(2 * FRAME), offset_samples=20 * FRAME), run_id=1, at_s=script.steps[last].at_s)
    script.steps.insert(last + 1, old)


def sound_after(kind: type[object], nth: int = 0) -> Spoil:
    """A frame overtaken by what should have stopped it."""

    def spoil(script: Script) -> None:
        control = script.index(kind, nth)
        sound = max(at for at, step in enumerate(script.steps[:control]) if isinstance(step.payload, m.Audio))
        script.move(sound, control)

    return spoil


def half_a_sample(script: Script) -> None:
    script.change(m.Audio, 29, pcm=bytes(2 * FRAME + 1))


def skip_after_resume(script: Script) -> None:
    """The first frame after the resume is not there, and the positions tell it."""
    resumed = script.index(m.PlayoutResume)
    at = next(at for at, step in enumerate(script.steps) if at > resumed and isinstance(step.payload, m.Audio))
    del script.steps[at]


def start_the_next_too_soon(script: Script) -> None:
    script.drop(m.RunAudioEnd)


def mark_what_did_not_come(script: Script) -> None:
    script.change(m.SegmentMark, 0, end_offset_samples=20 * FRAME)


def decide_nothing(script: Script) -> None:
    script.drop(m.BargeIn, 3)


def no_words(script: Script) -> None:
    at = max(script.index(m.Transcript, nth) for nth in range(4))
    del script.steps[at]


def words_without_a_turn(script: Script) -> None:
    nth = next(nth for nth in range(4) if _speaker(script, nth) is Speaker.CALLER)
    script.change(m.Transcript, nth, utterance_id=0)


def _speaker(script: Script, nth: int) -> Speaker:
    payload = script.steps[script.index(m.Transcript, nth)].payload
    assert isinstance(payload, m.Transcript)
    return payload.speaker


def latency_before_its_sound(script: Script) -> None:
    script.move(script.index(m.TurnLatency), script.index(m.Audio, 0, 2))


def beat_after_the_end(script: Script) -> None:
    script.after(m.CallEnded, m.Heartbeat())


def close_late(script: Script) -> None:
    script.steps.append(Step(payload=m.HangUp(), at_s=script.steps[-1].at_s + 3.0, sent=True))


def refuse_without_a_reason(script: Script) -> None:
    script.change(m.CallEnded, 0, cause=EndCause.REFUSED)


BREACHES: dict[str, tuple[Spoil, set[str]]] = {
    "an event that may not be sent": (refuse_one, {"understood"}),
    "the id of another session": (spoil_session, {"one_session"}),
    "a number left out": (spoil_numbers, {"sequence"}),
    "a clock that runs backwards": (spoil_clock, {"clock"}),
    "no heartbeats": (lambda script: script.drop_all(m.Heartbeat), {"heartbeats"}),
    "a phase before call_accepted": (change_phase_before, {"accepted_first"}),
    "call_accepted twice": (lambda script: script.again(m.CallAccepted), {"accepted_first"}),
    "another format": (lambda script: script.change(m.CallAccepted, agent_format=None), {"formats"}),
    "a phase that was not": (lambda script: script.change(m.PhaseChanged, 3, from_phase=Phase.CREATED), {"phases"}),
    "sound of an old run": (sound_of_an_old_run, {"runs_in_order", "ends_of_runs"}),
    "a frame left out": (lambda script: script.drop(m.Audio, 25), {"gapless"}),
    "a frame twice": (lambda script: script.again(m.Audio, 25), {"gapless"}),
    "half a sample": (half_a_sample, {"gapless"}),
    "sound too early": (sound_at_once, {"pace"}),
    "a wrong total": (lambda script: script.change(m.RunAudioEnd, total_samples=1), {"ends_of_runs"}),
    "an end twice": (lambda script: script.again(m.RunAudioEnd), {"ends_of_runs"}),
    "no end": (start_the_next_too_soon, {"ends_of_runs"}),
    "sound after the end": (sound_after(m.RunAudioEnd), {"ends_of_runs", "marks"}),
    "a mark twice": (lambda script: script.again(m.SegmentMark), {"marks"}),
    "a mark ahead of its sound": (mark_what_did_not_come, {"marks"}),
    "sound in a pause": (sound_after(m.PlayoutPause), {"pauses"}),
    "sound left out at a resume": (skip_after_resume, {"gapless", "resumes"}),
    "sound after a flush": (sound_after(m.PlayoutFlush), {"flushes"}),
    "a flush twice": (lambda script: script.again(m.PlayoutFlush), {"flushes"}),
    "what was heard twice": (lambda script: script.again(m.RunHeard), {"run_heard"}),
    "what was heard not told": (lambda script: script.drop(m.RunHeard, 1), {"run_heard"}),
    "words twice": (lambda script: script.again(m.Transcript), {"words"}),
    "no words": (no_words, {"words"}),
    "words without a turn": (words_without_a_turn, {"words"}),
    "a pause that nobody decided": (decide_nothing, {"barge_in"}),
    "stages that are less": (lambda script: script.change(m.TurnLatency, first_token_ms=1), {"latency"}),
    "stages that are more": (lambda script: script.change(m.TurnLatency, total_ms=1), {"latency"}),
    "latency before its sound": (latency_before_its_sound, {"latency"}),
    "latency twice": (lambda script: script.again(m.TurnLatency), {"latency"}),
    "an end of the call twice": (lambda script: script.again(m.CallEnded), {"ended_last"}),
    "a heartbeat after the end": (beat_after_the_end, {"ended_last"}),
    "a stream left open": (close_late, {"ended_last"}),
    "no end of the call": (lambda script: script.drop(m.CallEnded), {"ended_last"}),
    "a refusal without a reason": (refuse_without_a_reason, {"ended_last"}),
}


def test_a_call_that_keeps_the_contract_breaks_no_rule_and_shows_all() -> None:
    log = good_call().log()
    assert broken(log) == set()
    assert seen(log) == {rule.name for rule, _ in CALL_RULES}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found_by_the_name_of_its_rule(breach: str) -> None:
    spoil, names = BREACHES[breach]
    script = good_call()
    spoil(script)
    # What breaks one rule alone is found by that one alone; where sound is missing its total is wrong as well.
    assert broken(script.log()) - {"ends_of_runs"} == names - {"ends_of_runs"}
    assert names <= broken(script.log())


def test_every_rule_has_a_breach() -> None:
    assert set().union(*(names for _, names in BREACHES.values())) == {rule.name for rule, _ in CALL_RULES}


def test_a_stream_without_events_says_nothing() -> None:
    log = StreamLog(status="UNAVAILABLE")
    assert broken(log) == set()
    assert seen(log) == set()


def test_a_refused_call_is_asked_for_its_end_alone() -> None:
    refusal = m.CallEnded(
        cause=EndCause.REFUSED, failure=Failure(stage=Stage.SESSION, reason=FailureReason.PROFILE_INVALID)
    )
    log = Script([Step(payload=refusal, at_s=0.1)]).log()
    assert broken(log) == set()
    assert "accepted_first" not in seen(log)


def test_a_late_reader_does_not_break_the_pace_or_the_heartbeats() -> None:
    """Everything is read three seconds late at once, and was sent in time."""
    script = good_call()
    log = script.log()
    log.seen = [replace(each, at_s=max(each.at_s, 3.0)) for each in log.seen]
    assert not broken(log) & {"pace", "heartbeats"}


def test_events_stamped_when_they_were_planned_do_not_break_the_pace() -> None:
    script = good_call()
    script.clock_us = lambda at, at_s: at
    assert "pace" not in broken(script.log())


def test_sound_in_a_call_of_words_alone_is_wrong() -> None:
    script = good_call()
    script.steps[0] = replace(
        script.steps[0], payload=m.CallOpen(profile="plain", caller_format=None, agent_format=None)
    )
    script.change(m.CallAccepted, caller_format=None, agent_format=None)
    assert broken(script.log()) == {"runs_in_order"}


def test_telephone_sound_is_counted_in_its_own_samples() -> None:
    script = good_call()
    mulaw = m.AudioFormat(encoding=m.AudioEncoding.MULAW, sample_rate_hz=8_000)
    script.steps[0] = replace(script.steps[0], payload=m.CallOpen(profile="p", caller_format=mulaw, agent_format=mulaw))
    script.change(m.CallAccepted, caller_format=mulaw, agent_format=mulaw)
    for at, step in enumerate(script.steps):
        if isinstance(step.payload, m.Audio):
            sound = replace(step.payload, pcm=bytes(FRAME // 2), offset_samples=step.payload.offset_samples // 2)
            script.steps[at] = replace(step, payload=sound)
        elif isinstance(step.payload, m.SegmentMark):
            mark = replace(step.payload, end_offset_samples=step.payload.end_offset_samples // 2)
            script.steps[at] = replace(step, payload=mark)
    script.change(m.RunAudioEnd, total_samples=20 * FRAME // 2)
    assert broken(script.log()) == set()


def test_partial_words_of_the_caller_are_no_repetition() -> None:
    script = good_call()
    partial = m.Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.PARTIAL, text="are", utterance_id=1)
    for _ in range(2):
        script.after(m.RunHeard, partial)
    assert broken(script.log()) == set()
