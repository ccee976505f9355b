"""How long a silence is waited for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.session_script import NO_COST, QUIET_TURNS, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import Generate, ScoreEndOfTurn, ScoreWords
from voice_orchestrator.session import events as e
from voice_orchestrator.session.endpointing import delay_ms, finished_likelihood
from voice_orchestrator.session.policy import Detection, Expects, TurnTakingPolicy
from voice_orchestrator.session.state import Origin, Turn

PATIENT = TurnTakingPolicy(min_delay_ms=300, max_delay_ms=3_000, end_of_turn_threshold=0.8)


def turn(score: float | None = None, text: str | None = None, *, words: float | None = None, mark: float = 0.0) -> Turn:
    return Turn(id=1, origin=Origin.SPEECH, score=score, text=text, words_score=words, continuation_probability=mark)


def spoken(script: Script, text: str) -> Script:
    """The caller said it; 200 ms of silence have passed."""
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed(text)
    return script


@pytest.mark.parametrize(
    ("voice", "words", "likelihood"),
    [
        (None, None, 0.241),
        (0.99, None, 0.50),
        (0.5, None, 0.241),
        (0.01, None, 0.091),
        (None, 0.6, 0.513),
        (None, 0.01, 0.08),
        (0.99, 0.6, 0.769),
        (0.01, 0.6, 0.25),
        (0.99, 0.01, 0.214),
        (0.0, 0.0, 0.027),
        (1.0, 1.0, 0.964),
    ],
)
def test_both_witnesses_count_and_words_more(voice: float | None, words: float | None, likelihood: float) -> None:
    assert finished_likelihood(turn(voice, "Are you open?", words=words)) == pytest.approx(likelihood, abs=0.006)


@pytest.mark.parametrize(
    ("mark", "likelihood"),
    [(0.00001, 0.794), (0.0001, 0.794), (0.005, 0.398), (0.025, 0.241), (0.0, 0.241), (0.2, 0.102), (0.9, 0.022)],
)
def test_a_mark_that_says_the_sentence_goes_on_counts_against_an_end(mark: float, likelihood: float) -> None:
    assert finished_likelihood(turn(0.5, "Are you open?", words=0.12, mark=mark)) == pytest.approx(
        likelihood, abs=0.006
    )
    assert finished_likelihood(turn(0.5, words=0.12, mark=mark)) == finished_likelihood(turn(0.5, words=0.12))


@pytest.mark.parametrize(("voice", "words", "wait_ms"), [(0.99, 0.9, 300), (0.5, 0.12, 2_187), (0.0, 0.0, 2_910)])
def test_what_is_missing_is_waited_for_in_proportion(voice: float, words: float, wait_ms: int) -> None:
    assert delay_ms(PATIENT, turn(voice, "Yes.", words=words)) == wait_ms


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_who_seems_more_finished_never_waits_longer(first: float, second: float, other: float) -> None:
    low, high = sorted((first, second))
    for waits in (
        [delay_ms(PATIENT, turn(score, "Yes.", words=other)) for score in (low, high)],
        [delay_ms(PATIENT, turn(other, "Yes.", words=score)) for score in (low, high)],
        # A mark of 0 says that nobody told.
        [delay_ms(PATIENT, turn(other, "Yes.", mark=max(mark, 1e-9))) for mark in (high, low)],
    ):
        assert 3_000 >= waits[0] >= waits[1] >= 300


def test_dictation_waits_at_least_its_own_time() -> None:
    dictated = replace(PATIENT, expects=Expects.NUMBER, dictation_delay_ms=2_500)
    assert delay_ms(dictated, turn(0.99, "zero one", words=0.9)) == 2_500
    assert delay_ms(dictated, turn(0.0, "zero one", words=0.0)) == 2_910
    assert delay_ms(dictated, turn(0.99, "I do not know", words=0.9)) == 300
    assert delay_ms(dictated, turn(0.99, None, words=0.9)) == 300


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


def test_a_turn_that_may_go_on_is_waited_for() -> None:
    patient = replace(QUIET_TURNS, min_delay_ms=300, max_delay_ms=3_000, end_of_turn_threshold=0.8)
    script = spoken(Script(policy(turn_taking=patient)).open(scores=True), "Are you open on Monday.")
    script.score(0.5)
    assert script.wait(2_187 - 200 - 1) == ()
    assert "Generate" in names(script.wait(1))


@pytest.mark.parametrize(
    "text", ["Are you open on", "I would like...", "Do you have the.", "My name is Ann,", "I'd like."]
)
def test_words_that_break_off_make_an_end_less_likely(text: str) -> None:
    for voice in (0.01, None, 0.99):
        assert finished_likelihood(turn(voice, text)) < 0.8 * finished_likelihood(turn(voice, "Yes."))


# --- the words as a witness


JUDGED = replace(QUIET_TURNS, min_delay_ms=250, max_delay_ms=2_000)


def test_the_words_are_judged_as_soon_as_they_are_known() -> None:
    script = Script(policy(turn_taking=JUDGED)).open(scores=True, scores_words=True)
    script.start_speaking()
    assert not only(script.after(1_000).stop_speaking(), ScoreWords)
    (asked,) = only(script.transcribed("Are you open?"), ScoreWords)
    assert (asked.utterance_id, asked.revision) == (1, 1)
    assert [message.text for message in asked.messages] == ["Be brief.", "Are you open?"]


def test_the_words_are_judged_once_and_behind_the_beginning_of_the_reply_to_them() -> None:
    turns = replace(JUDGED, preemptive_generation=True)
    script = Script(policy(turn_taking=turns)).open(scores=True, scores_words=True)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    assert names(script.transcribed("Are you open?")) == ["Generate", "ScoreWords"]
    script.score(0.95)
    script.wait(40)
    assert len(script.all(ScoreWords)) == 1
    # Speech that goes on makes other words of them.
    script.start_speaking()
    script.after(400).stop_speaking()
    (asked,) = only(script.transcribed("Are you open on Monday?"), ScoreWords)
    assert asked.revision == 2
    assert asked.messages[-1].text == "Are you open on Monday?"


def test_words_that_come_when_the_turn_is_over_are_not_judged() -> None:
    script = Script(policy(turn_taking=JUDGED)).open(scores_words=True)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.wait(2_000)
    assert "Generate" in names(script.transcribed("Are you open?"))
    assert not script.all(ScoreWords)


def test_a_whole_sentence_said_with_a_sure_voice_is_answered_after_the_shortest_wait() -> None:
    script = spoken(Script(policy(turn_taking=JUDGED)).open(scores=True, scores_words=True), "Are you open?")
    script.score(0.95)
    script.words_score(0.5)
    assert script.wait(49) == ()
    assert "Generate" in names(script.wait(1))


def test_words_that_come_to_no_end_keep_a_sure_voice_waiting() -> None:
    script = spoken(Script(policy(turn_taking=JUDGED)).open(scores=True, scores_words=True), "He should notice.")
    script.score(0.95)
    script.words_score(0.02)
    assert script.wait(900) == ()


def test_the_mark_behind_the_last_word_is_that_of_the_words_that_count() -> None:
    """Of what was transcribed last: a comma behind half of the turn says nothing about all of it."""
    script = Script(policy(turn_taking=JUDGED)).open(scores=True, scores_words=True)
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Are you open,", continuation=0.9)
    assert script.state.turn is not None
    assert script.state.turn.continuation_probability == 0.9
    script.start_speaking()
    script.after(600).stop_speaking()
    script.transcribed("Are you open, or closed?", continuation=0.002)
    script.score(0.95)
    script.words_score(0.3)
    assert script.wait(49) == ()
    assert "Generate" in names(script.wait(1))


def test_nobody_waits_for_the_judgement_of_the_words() -> None:
    script = spoken(Script(policy(turn_taking=JUDGED)).open(scores=True, scores_words=True), "Are you open?")
    script.score(0.99)
    assert "Generate" in names(script.wait(300))


def test_the_words_of_a_button_and_none_at_all_are_not_judged() -> None:
    held = Script(policy(turn_taking=replace(QUIET_TURNS, detection=Detection.PUSH_TO_TALK))).open(scores_words=True)
    held.press()
    held.after(500).let_go()
    held.transcribed("Are you open?")
    silent = spoken(Script().open(scores_words=True), "")
    assert not held.all(ScoreWords)
    assert not silent.all(ScoreWords)


def test_a_second_judgement_of_words_and_one_of_others_mean_nothing() -> None:
    script = spoken(Script(policy(turn_taking=JUDGED)).open(scores_words=True), "Are you open on")
    script.words_score(0.02)
    script.words_score(0.9)
    assert script.ignored == "score_repeated"
    script.start_speaking()
    script.after(600).stop_speaking()
    script.words_score(0.9)
    assert script.ignored == "score_superseded"
    script.transcribed("Are you open on Monday?")
    script.do(e.WordsScored, utterance_id=1, revision=1, probability=0.9, timing=NO_COST)
    assert script.ignored == "score_superseded"


# --- the pause judged by its sound


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
