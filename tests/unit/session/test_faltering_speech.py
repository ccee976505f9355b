"""Words asked for when speech falters: those of the turn when it ends there, words so far when it goes on."""

from dataclasses import replace

from support.session_script import NO_COST, QUIET_TURNS, Script, names, only, policy

from voice_contract.failures import FailureReason
from voice_contract.messages import (
    Generate,
    PrimePrompt,
    ScoreEndOfTurn,
    ScoreWords,
    Transcribe,
    TranscribeKind,
    Transcript,
)
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import Detection

EAGER = replace(QUIET_TURNS, preemptive_generation=True)


def speaking(
    *, partial_interval_ms: int = 0, min_delay_ms: int = 500, max_delay_ms: int = 500, scores_words: bool = False
) -> Script:
    """A second of speech is heard, whose end seems near."""
    turns = replace(
        EAGER, partial_interval_ms=partial_interval_ms, min_delay_ms=min_delay_ms, max_delay_ms=max_delay_ms
    )
    script = Script(policy(turn_taking=turns)).open(scores=True, scores_words=scores_words)
    script.start_speaking()
    script.after(1_000)
    return script


def test_the_words_are_asked_for_before_the_silence_is_certain() -> None:
    script = speaking()
    (asked,) = only(script.falter(), Transcribe)
    assert asked.kind is TranscribeKind.FINAL
    assert (asked.revision, asked.end_offset_samples) == (1, 1_000 * 16)


def test_they_are_those_of_the_turn_when_it_ends_there() -> None:
    script = speaking()
    script.falter()
    assert names(script.after(60).stop_speaking()) == ["ScoreEndOfTurn"]
    assert names(script.transcribed("Are you open?")) == ["Generate"]


def test_words_that_were_known_before_the_silence_was_certain_are_not_waited_for() -> None:
    script = speaking()
    script.falter()
    script.after(50).transcribed("Are you open?")
    commands = script.after(10).stop_speaking()
    assert names(commands) == ["Transcript", "Generate"]
    assert script.state.turn is not None
    assert script.state.turn.text == "Are you open?"


def judged(script: Script) -> Script:
    """The words are there before the silence is certain, and the pause is judged with them."""
    script.falter()
    commands = script.after(50).transcribed("Are you open?")
    assert names(commands) == ["ScoreEndOfTurn", "ScoreWords", "PrimePrompt"]
    assert {asked.revision for asked in only(commands, ScoreEndOfTurn)} == {1}
    assert {asked.revision for asked in only(commands, ScoreWords)} == {1}
    return script


def test_the_pause_is_judged_as_soon_as_the_words_are_known() -> None:
    script = judged(speaking(scores_words=True, min_delay_ms=250, max_delay_ms=2_000))
    script.do(e.EndOfTurnScored, utterance_id=1, revision=1, probability=0.95, timing=NO_COST)
    script.do(e.WordsScored, utterance_id=1, revision=1, probability=0.5, timing=NO_COST)
    assert not only(script.after(10).stop_speaking(), ScoreEndOfTurn)
    assert script.wait(49) == ()
    assert "PhaseChanged" in names(script.wait(1))


def test_judgements_that_are_still_being_made_are_waited_for_but_not_asked_for_again() -> None:
    script = judged(speaking(scores_words=True))
    script.after(10).stop_speaking()
    assert len(script.all(ScoreEndOfTurn)) == len(script.all(ScoreWords)) == 1
    assert "PhaseChanged" not in names(script.wait(600))
    script.words_score(0.5)
    assert "PhaseChanged" in names(script.score(0.95))


def test_judgements_are_forgotten_when_more_was_said_behind_them() -> None:
    script = judged(speaking(scores_words=True))
    script.do(e.EndOfTurnScored, utterance_id=1, revision=1, probability=0.95, timing=NO_COST)
    commands = script.after(400).stop_speaking()
    assert names(commands) == ["Transcribe", "ScoreEndOfTurn"]
    script.do(e.WordsScored, utterance_id=1, revision=1, probability=0.5, timing=NO_COST)
    assert script.ignored == "score_superseded"
    assert script.state.turn is not None
    assert (script.state.turn.score, script.state.turn.words_score) == (None, None)


def test_a_judgement_that_fails_before_the_silence_is_certain_is_not_waited_for() -> None:
    script = judged(speaking(scores_words=True))
    failed = script.do(e.EndOfTurnFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="broke")
    assert names(failed) == ["Failure"]
    assert not only(script.after(10).stop_speaking(), ScoreEndOfTurn)
    assert "PhaseChanged" in names(script.wait(500))


def test_judgements_of_a_pause_that_was_none_mean_nothing() -> None:
    script = speaking(scores_words=True)
    script.do(e.EndOfTurnScored, utterance_id=1, revision=0, probability=0.95, timing=NO_COST)
    assert script.ignored == "score_superseded"
    script.do(e.WordsScored, utterance_id=1, revision=0, probability=0.95, timing=NO_COST)
    assert script.ignored == "score_superseded"


def test_they_are_asked_for_again_when_more_was_said_behind_them() -> None:
    script = speaking()
    script.falter()
    commands = script.after(330).stop_speaking()
    (again,) = only(commands, Transcribe)
    assert (again.revision, again.kind) == (2, TranscribeKind.FINAL)
    script.do(
        e.CallerTranscribed,
        utterance_id=1,
        revision=1,
        kind=TranscribeKind.FINAL,
        text="Are you",
        mean_log_probability=-0.1,
        no_speech_probability=0.1,
        timing=NO_COST,
    )
    assert script.ignored == "transcript_superseded"
    assert "Generate" in names(script.transcribed("Are you open?"))


def test_speech_that_goes_on_shows_them_and_lets_the_model_read_them() -> None:
    script = speaking()
    script.falter()
    script.after(150).transcribed("I would like")
    assert not script.all(Generate)
    script.after(400).falter()
    commands = script.after(150).transcribed("I would like a table")
    assert [words.text for words in only(commands, Transcript)] == ["I would like"]
    assert len(only(commands, PrimePrompt)) == 1


def test_they_are_not_asked_for_in_quick_succession() -> None:
    script = speaking()
    script.falter()
    assert script.after(300).falter() == ()
    assert script.ignored == "asked_just_now"
    assert only(script.after(100).falter(), Transcribe)


def test_a_partial_transcript_is_put_off_by_them() -> None:
    script = speaking(partial_interval_ms=1_200)
    script.falter()
    assert script.wait(1_199) == ()
    assert [asked.kind for asked in only(script.wait(1), Transcribe)] == [TranscribeKind.PARTIAL]


def test_a_second_answer_means_nothing() -> None:
    script = speaking()
    script.falter()
    script.transcribed("Are you")
    script.transcribed("Are you")
    assert script.ignored == "transcript_repeated"


def test_a_failure_while_the_caller_speaks_costs_a_second_request_and_no_more() -> None:
    script = speaking()
    script.falter()
    script.do(e.TranscriptionFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="broke")
    assert "Transcribe" in names(script.after(60).stop_speaking())
    assert "Generate" in names(script.transcribed("Are you open?"))


def test_a_pause_forgets_what_was_asked_before_it() -> None:
    script = speaking()
    script.falter()
    script.after(60).stop_speaking()
    script.transcribed("I would like")
    script.after(100).start_speaking()
    commands = script.after(500).stop_speaking()
    assert [asked.revision for asked in only(commands, Transcribe)] == [2]


def test_a_node_that_is_lost_takes_them_with_it() -> None:
    script = speaking()
    script.falter()
    script.lose_node()
    assert [asked.revision for asked in only(script.ready(), Transcribe)] == [2]


def test_without_open_speech_there_is_nothing_to_ask_for() -> None:
    script = Script().open()
    script.falter()
    assert script.ignored == "no_open_speech"
    held = Script(policy(turn_taking=replace(QUIET_TURNS, detection=Detection.PUSH_TO_TALK))).open()
    held.press()
    held.falter()
    assert held.ignored == "no_open_speech"
    late = speaking()
    late.do(e.SpeechFaltered, offset_samples=0)
    assert late.ignored == "before_the_turn"


def test_a_turn_that_is_dropped_meanwhile_has_them_given_up() -> None:
    script = speaking()
    script.falter()
    assert "CancelTranscription" in names(script.key("1"))
    answered = speaking()
    answered.falter()
    answered.transcribed("Are you")
    assert "CancelTranscription" not in names(answered.key("1"))
