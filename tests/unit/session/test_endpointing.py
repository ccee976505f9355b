"""How long a silence is waited for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.session_script import NO_COST, QUIET_TURNS, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import Generate, ScoreEndOfTurn
from voice_orchestrator.session import events as e
from voice_orchestrator.session.endpointing import delay_ms
from voice_orchestrator.session.policy import Expects, TurnTakingPolicy
from voice_orchestrator.session.state import Origin, Turn

PATIENT = TurnTakingPolicy(max_delay_ms=3_000, end_of_turn_threshold=0.8)


def turn(score: float | None = None, text: str | None = None) -> Turn:
    return Turn(id=1, origin=Origin.SPEECH, score=score, text=text)


def spoken(script: Script, text: str) -> Script:
    """The caller said it; 200 ms of silence have passed."""
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed(text)
    return script


@pytest.mark.parametrize(
    ("score", "wait_ms"), [(None, 500), (1.0, 500), (0.8, 500), (0.72, 1_291), (0.6, 1_750), (0.2, 2_665), (0.0, 3_000)]
)
def test_a_near_miss_waits_in_proportion(score: float | None, wait_ms: int) -> None:
    assert delay_ms(PATIENT, turn(score)) == wait_ms


@given(st.floats(0, 1), st.floats(0, 1))
def test_who_sounds_more_finished_never_waits_longer(first: float, second: float) -> None:
    low, high = sorted((first, second))
    waits = [delay_ms(PATIENT, turn(score)) for score in (low, high)]
    assert 3_000 >= waits[0] >= waits[1] >= 500


def test_dictation_waits_at_least_its_own_time() -> None:
    dictated = replace(PATIENT, expects=Expects.NUMBER, dictation_delay_ms=2_500)
    assert delay_ms(dictated, turn(None, "zero one")) == 2_500
    assert delay_ms(dictated, turn(0.0, "zero one")) == 3_000
    assert delay_ms(dictated, turn(None, "I do not know")) == 500
    assert delay_ms(dictated, turn(None, None)) == 500


# --- the judged pause


def test_a_pause_is_judged_from_the_sound_of_the_whole_turn() -> None:
    script = Script().open(scores=True).after(2_000)
    script.start_speaking()
    (request,) = only(script.after(1_000).stop_speaking(), ScoreEndOfTurn)
    assert request.start_offset_samples == (1_940 - 300) * 16
    assert request.end_offset_samples == (2_800 + script.state.policy.vad.min_silence_ms) * 16


def test_nothing_is_committed_before_the_pause_is_judged() -> None:
    script = spoken(Script().open(scores=True), "Are you open?")
    assert "Generate" not in names(script.wait(900))
    assert "Generate" in names(script.score(0.9))


def test_an_unfinished_sentence_is_waited_for_in_proportion() -> None:
    patient = replace(QUIET_TURNS, max_delay_ms=3_000, end_of_turn_threshold=0.8)
    script = spoken(Script(policy(turn_taking=patient)).open(scores=True), "Are you open on Monday.")
    script.score(0.6)
    assert script.wait(1_750 - 200 - 1) == ()
    assert "Generate" in names(script.wait(1))


@pytest.mark.parametrize(
    "text", ["Are you open on", "I would like...", "Do you have the.", "My name is Ann,", "I'd like."]
)
def test_words_that_break_off_are_worth_no_more_than_a_doubtful_voice(text: str) -> None:
    assert delay_ms(PATIENT, turn(0.99, text)) == delay_ms(PATIENT, turn(0.3, "Yes.")) > 2_000
    assert delay_ms(PATIENT, turn(0.1, text)) == delay_ms(PATIENT, turn(0.1, "Yes."))


def test_words_that_break_off_do_not_matter_where_nothing_judges_the_voice() -> None:
    assert delay_ms(PATIENT, turn(None, "Are you open on")) == 500


def test_a_judged_pause_waits_for_its_words() -> None:
    script = Script().open(scores=True)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.score(1.0)
    assert script.wait(2_000) == ()
    assert "Generate" in names(script.transcribed("Are you open?"))


def test_a_judgement_that_fails_leaves_the_silence_to_decide() -> None:
    script = spoken(Script().open(scores=True), "Are you open?")
    commands = script.do(e.EndOfTurnFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="broke")
    (failure,) = only(commands, Failure)
    assert (failure.stage, failure.utterance_id) == (Stage.END_OF_TURN, 1)
    assert "Generate" in names(script.wait(300))


def test_a_judgement_that_does_not_come_fails() -> None:
    script = spoken(Script().open(scores=True), "Are you open?")
    commands = script.wait(1_000)
    assert [failure.reason for failure in only(commands, Failure)] == [FailureReason.DEADLINE_EXCEEDED]
    assert only(commands, Generate)


def test_a_second_judgement_and_one_of_another_pause_mean_nothing() -> None:
    script = spoken(Script().open(scores=True), "Are you open on")
    script.score(0.0)
    script.score(1.0)
    assert script.ignored == "score_repeated"
    script.do(e.EndOfTurnFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="broke")
    assert script.ignored == "score_superseded"
    script.start_speaking()
    script.after(600).stop_speaking()
    script.do(e.EndOfTurnScored, utterance_id=1, revision=1, probability=1.0, timing=NO_COST)
    assert script.ignored == "score_superseded"


def test_speech_gives_up_the_judgement_of_the_pause_it_ends() -> None:
    script = spoken(Script().open(scores=True), "Are you")
    assert "CancelTranscription" in names(script.start_speaking())


# --- dictation


def test_digits_are_waited_for_and_a_complete_number_is_not() -> None:
    number = replace(QUIET_TURNS, expects=Expects.NUMBER, expected_length=4)
    script = spoken(Script(policy(turn_taking=number)).open(), "zero one")
    assert script.wait(2_500 - 200 - 1) == ()
    script.start_speaking()
    script.after(800).stop_speaking()
    script.transcribed("zero one seven one")
    assert "Generate" in names(script.wait(300))


def test_while_the_words_are_unknown_nobody_knows_whether_the_caller_dictates() -> None:
    script = Script(policy(turn_taking=replace(QUIET_TURNS, expects=Expects.NUMBER))).open()
    script.start_speaking()
    script.after(1_000).stop_speaking()
    assert script.wait(2_000) == ()
    assert "Generate" in names(script.transcribed("I do not know."))
