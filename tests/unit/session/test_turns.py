"""When the caller has finished, and what was said."""

from support.session_script import NO_COST, SILENT_RECOVERY, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    BargeIn,
    BargeInCause,
    BargeInOutcome,
    CancelTranscription,
    ChatRole,
    Generate,
    Phase,
    Synthesize,
    Transcribe,
    TranscribeKind,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import TurnTakingPolicy
from voice_orchestrator.session.state import Origin


def test_a_pause_asks_for_the_words_with_sound_around_them() -> None:
    script = Script().open().after(2_000)
    script.start_speaking()
    script.wait(1_000)
    (request,) = only(script.stop_speaking(), Transcribe)
    assert request.kind is TranscribeKind.FINAL
    assert request.start_offset_samples == (1_940 - 300) * 16
    assert request.end_offset_samples == 2_800 * 16 + 200 * 16


def test_silence_commits_the_turn_and_the_model_is_asked() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("  Are you \n open today? ")
    assert script.where() is Phase.ACTIVE
    commands = script.wait(300)
    assert names(commands) == ["PhaseChanged", "Transcript", "Generate"]
    (generate,) = only(commands, Generate)
    assert [message.text for message in generate.messages] == ["Be brief.", "Are you open today?"]
    assert script.where() is Phase.PROCESSING


def test_the_order_of_silence_and_words_does_not_matter() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    assert names(script.wait(300)) == ["PhaseChanged"]
    assert script.where() is Phase.PROCESSING
    assert "Generate" in names(script.transcribed("Are you open today?"))


def test_speech_before_the_commit_goes_on_with_the_same_turn() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    commands = script.after(100).start_speaking()
    assert names(commands) == ["CancelTranscription"]
    script.wait(1_000)
    (request,) = only(script.stop_speaking(), Transcribe)
    assert (request.utterance_id, request.revision) == (1, 2)
    assert request.start_offset_samples == 0


def test_speech_before_anything_is_heard_reopens_the_turn_and_lasting_it_kills_the_reply() -> None:
    script = Script().open().say("I would like")
    dead = script.run_id
    assert names(script.start_speaking()) == ["BargeIn", "PhaseChanged"]
    assert script.wait(339) == ()
    commands = script.wait(1)
    (decision,) = only(commands, BargeIn)
    assert (decision.outcome, decision.cause) == (BargeInOutcome.CONFIRMED, BargeInCause.DURATION)
    assert [name for name in names(commands) if name != "BargeIn"] == ["CancelRun", "DropRun"]
    script.wait(600)
    script.stop_speaking()
    commands = script.transcribed("I would like an appointment.") + script.wait(500)
    (generate,) = only(commands, Generate)
    assert generate.messages[-1].text == "I would like an appointment."
    script.do(e.ReplyText, run_id=dead, text="Too late. ")
    assert script.ignored == "run_ended"


def test_a_turn_is_announced_as_partial_words_and_once_as_final() -> None:
    script = Script().open().say("Hello there.")
    kinds = [words.kind for words in script.all(Transcript)]
    assert kinds == [TranscriptKind.FINAL]


def test_words_on_which_two_passes_agree_are_shown_once() -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(partial_interval_ms=500))).open()
    script.start_speaking()
    script.wait(500)
    assert only(script.transcribed("I would like a", final=False), Transcript) == []
    script.wait(500)
    (words,) = only(script.transcribed("I would light up", final=False), Transcript)
    assert (words.kind, words.text) == (TranscriptKind.PARTIAL, "I would")
    script.stop_speaking()
    assert only(script.transcribed("I would like an appointment."), Transcript) == []
    assert [words.text for words in only(script.wait(1_000), Transcript)] == ["I would like an appointment."]


def test_partial_words_are_asked_for_while_the_caller_speaks_one_request_at_a_time() -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(partial_interval_ms=500))).open()
    script.start_speaking()
    assert names(script.wait(500)) == ["Transcribe"]
    assert names(script.wait(500)) == []
    assert "Transcribe" not in names(script.transcribed("I would", final=False))
    assert names(script.wait(1_500)) == ["Transcribe"]
    assert names(script.transcribed("", final=False)) == []


def test_a_node_that_took_long_for_partial_words_is_left_alone_for_three_times_as_long() -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(partial_interval_ms=500))).open()
    script.start_speaking()
    script.wait(500)
    script.wait(100)
    script.transcribed("I would", final=False)
    assert names(script.wait(399)) == []
    assert names(script.wait(1)) == ["Transcribe"]
    script.wait(300)
    script.transcribed("I would like", final=False)
    assert names(script.wait(899)) == []
    assert names(script.wait(1)) == ["Transcribe"]


def test_a_partial_that_comes_after_the_pause_is_superseded() -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(partial_interval_ms=500))).open()
    script.start_speaking()
    script.wait(500)
    turn = script.state.turn
    assert turn is not None
    script.stop_speaking()
    script.do(
        e.CallerTranscribed,
        utterance_id=turn.id,
        revision=turn.revision,
        kind=TranscribeKind.PARTIAL,
        text="late",
        mean_log_probability=0.0,
        no_speech_probability=0.0,
        timing=NO_COST,
    )
    assert script.ignored == "transcript_superseded"


def test_a_failed_partial_costs_only_its_display() -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(partial_interval_ms=500))).open()
    script.start_speaking()
    script.wait(500)
    script.do(e.TranscriptionFailed, utterance_id=1, reason=FailureReason.OVERLOADED, detail="busy")
    assert script.all(Failure) == []
    assert names(script.wait(500)) == ["Transcribe"]


def test_the_same_final_words_twice_are_used_once() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Hello.")
    script.transcribed("Goodbye.")
    assert script.ignored == "transcript_repeated"


def test_words_of_an_unknown_turn_are_superseded() -> None:
    script = Script().open()
    script.do(e.TranscriptionFailed, utterance_id=7, reason=FailureReason.OVERLOADED, detail="busy")
    assert script.ignored == "transcript_superseded"


def test_failed_transcription_says_the_recovery_line() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    commands = script.do(e.TranscriptionFailed, utterance_id=1, reason=FailureReason.ENGINE_ERROR, detail="broke")
    assert names(commands) == ["Failure", "CancelTranscription"]
    (line, _) = only(script.wait(500), Synthesize)
    assert line.text == "Sorry, I did not catch that."


def test_transcription_that_takes_too_long_fails() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    commands = script.wait(8_000)
    (failure,) = only(commands, Failure)
    assert failure.reason is FailureReason.DEADLINE_EXCEEDED
    assert only(commands, Synthesize)


def test_a_sound_without_words_is_answered_by_a_line_when_it_was_long() -> None:
    script = Script().open().say("", ms=1_500)
    assert script.all(Synthesize)[0].text == "Sorry, I did not catch that."


def test_a_short_sound_without_words_is_not_answered() -> None:
    script = Script().open().say("", ms=600)
    assert script.all(Synthesize) == []
    assert script.state.turn is None
    assert script.where() is Phase.ACTIVE


def test_without_a_recovery_line_nothing_is_said() -> None:
    script = Script(policy(recovery=SILENT_RECOVERY)).open().say("", ms=1_500)
    assert script.all(Synthesize) == []
    assert script.where() is Phase.ACTIVE


def test_speech_without_end_is_taken_as_it_is() -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(partial_interval_ms=0, max_turn_ms=5_000))).open()
    script.start_speaking()
    (request,) = only(script.wait(5_000), Transcribe)
    assert request.end_offset_samples == 0
    script.stop_speaking()
    assert script.ignored == "no_open_speech"


def test_an_onset_inside_speech_means_nothing() -> None:
    script = Script().open()
    script.start_speaking()
    script.start_speaking()
    assert script.ignored == "speech_already_open"


def test_typed_words_are_a_turn_at_once() -> None:
    script = Script().open(listens=False, speaks=False)
    commands = script.do(e.CallerTyped, text=" What are\tyour hours? ")
    assert names(commands) == ["PhaseChanged", "Transcript", "Generate"]
    (generate,) = only(commands, Generate)
    assert generate.messages[-1].text == "What are your hours?"


def test_typed_nothing_means_nothing() -> None:
    script = Script().open(listens=False, speaks=False)
    assert script.do(e.CallerTyped, text=" \n ") == ()
    assert script.ignored == "empty_text"


def test_typing_again_before_anything_is_shown_joins_both() -> None:
    script = Script().open(listens=False, speaks=False)
    script.do(e.CallerTyped, text="What are")
    commands = script.do(e.CallerTyped, text="your hours?")
    assert names(commands)[:2] == ["CancelRun", "DropRun"]
    (generate,) = only(commands, Generate)
    assert generate.messages[-1].text == "What are your hours?"


def test_typing_over_a_heard_reply_interrupts_it() -> None:
    script = Script().open(listens=False).after(10)
    script.do(e.CallerTyped, text="What are your hours?")
    run_id = script.respond().run_id
    commands = script.do(e.CallerTyped, text="Never mind.")
    assert names(commands) == ["BargeIn", "CancelRun", "FlushRun", "PhaseChanged"]
    assert script.all(BargeIn)[-1].cause is BargeInCause.TYPED
    (generate,) = only(script.report(run_id, 0), Generate)
    assert [m.text for m in generate.messages[1:]] == ["What are your hours? Never mind."]


def test_typing_over_a_paused_reply_confirms_the_barge_in() -> None:
    script = Script().open().say("Hello?").respond().after(500)
    script.start_speaking()
    commands = script.do(e.CallerTyped, text="Never mind.")
    assert [decision.outcome for decision in only(commands, BargeIn)] == [BargeInOutcome.CONFIRMED]
    assert "CancelTranscription" not in names(commands)


def test_typing_over_a_spoken_turn_gives_up_its_transcription() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    assert only(script.do(e.CallerTyped, text="Never mind."), CancelTranscription)


def test_typed_words_before_a_node_is_there_are_answered_when_it_is() -> None:
    script = Script()
    script.do(e.CallOpened, listens=False, speaks=False)
    script.do(e.CallerTyped, text="Hello?")
    assert "Generate" in names(script.do(e.InferenceReady, scores_end_of_turn=False))


def test_speech_takes_the_place_of_a_typed_turn_that_was_not_answered() -> None:
    script = Script().open()
    script.do(e.CallerTyped, text="Hello?")
    script.start_speaking()
    assert script.state.turn is not None
    assert script.state.turn.origin is Origin.SPEECH
    assert script.state.turn.prefix == "Hello?"


def test_the_model_is_shown_as_many_turns_as_the_profile_says() -> None:
    script = Script().open(listens=False, speaks=False)
    for number in range(12):
        script.do(e.CallerTyped, text=f"Question {number}?")
        script.write(f"Answer {number}.", end=True)
    (generate,) = only(script.do(e.CallerTyped, text="Last?"), Generate)
    assert generate.messages[0].role is ChatRole.SYSTEM
    assert [m.text for m in generate.messages[1:3]] == ["Question 4?", "Answer 4."]
    assert generate.messages[-1].text == "Last?"


def test_speech_while_the_words_are_still_unknown_goes_on_with_the_turn() -> None:
    script = Script().open()
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.wait(500)
    assert script.where() is Phase.PROCESSING
    assert names(script.start_speaking()) == ["CancelTranscription", "PhaseChanged"]
    assert script.where() is Phase.ACTIVE
