"""The report and the transcript of a call, made from the steps of its session."""

import pytest
from support.call_reports import ORIGIN_MS, log_of, report, span
from support.session_script import Script, policy

from voice_contract.failures import CALLER_TEXT, Failure, FailureReason, Stage
from voice_contract.messages import (
    EndCause,
    EngineDescription,
    FinishReason,
    NodeDescription,
    TranscribeKind,
    WorkTiming,
)
from voice_orchestrator.reports.call_report import STAGES
from voice_orchestrator.reports.transcript import make_transcript
from voice_orchestrator.session import events as e

TEN_WORDS = "One two three of us go in to do it."
NODE = NodeDescription(
    version="1.2.3",
    ready=True,
    engines=(EngineDescription(stage=Stage.STT, engine="whisper", model="base", device="cpu"),),
    session_slots=4,
    free_session_slots=3,
)


def answered_turn() -> Script:
    """A turn every stage of which takes a time of its own."""
    script = Script().open()
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.after(150).transcribed("Are you open today?")
    script.wait(150)
    script.after(70).write("Yes")
    script.after(40).write(", of course we are.", end=True)
    script.after(110).sound(0)
    script.after(30).synthesise(0)
    script.after(20).start(0)
    return script


def interrupted_turn(heard_samples: int | None) -> Script:
    """The caller talks over ten words that take ten seconds; None: the edge never says what it played."""
    script = Script().open().after(1_000).say("Count for me.")
    script.write(TEN_WORDS, end=True)
    script.sound(0)
    script.synthesise(0, samples=160_000)
    script.start(0)
    run_id = script.run_id
    script.after(3_500).start_speaking()
    script.wait(1_600)
    if heard_samples is not None:
        script.report(run_id, heard_samples)
    script.wait(600)
    script.stop_speaking()
    script.transcribed("Stop.")
    return script


def test_stages_of_a_turn_add_up_to_its_total() -> None:
    (turn,) = report(answered_turn().finish())["turns"]
    assert list(turn["stages_ms"]) == list(STAGES)
    assert sum(turn["stages_ms"].values()) == turn["total_ms"]
    assert turn["stages_ms"] == {
        "endpointing": 500,
        "transcription": 0,
        "first_token": 70,
        "first_clause": 40,
        "synthesis": 110,
        "delivery": 50,
    }


def test_voice_to_voice_is_measured_in_the_recording() -> None:
    script = answered_turn().finish()
    spoken_until_ms = 1_000 + 1_000 - 200
    (turn,) = report(script, {1: span(2_700 - ORIGIN_MS)})["turns"]
    assert turn["voice_to_voice_ms"] == 2_700 - spoken_until_ms
    assert turn["answered"]
    assert turn["caller"] == "Are you open today?"
    assert turn["agent"] == "Yes, of course we are."
    assert not turn["interrupted"]


def test_medians_are_over_the_turns_that_have_a_number() -> None:
    script = Script().open()
    for latency_ms in (100, 300, 1_100):
        script.after(1_000).say("And now?")
        script.after(latency_ms).respond().finish()
    starts = {run_id: span(10_000 * run_id) for run_id in (1, 2, 3)}
    made = report(script, starts)
    totals = [turn["total_ms"] for turn in made["turns"]]
    assert totals == [600, 800, 1_600]
    assert made["medians"]["total_ms"] == 800
    assert made["medians"]["first_token_ms"] == 300
    assert report(Script().open())["medians"] == {}


def test_an_interrupted_reply_is_reported_up_to_the_last_word_that_was_heard() -> None:
    script = interrupted_turn(heard_samples=36_000)
    played = {1: span(2_600, 2_250)}
    made = report(script, played)
    assert made["turns"][0]["agent"] == "One two"
    assert made["turns"][0]["interrupted"]
    decisions = [(each["outcome"], each["cause"]) for each in made["turns"][0]["barge_ins"]]
    assert decisions == [("paused", "onset"), ("confirmed", "duration")]
    agent = [entry for entry in make_transcript(log_of(script), played, ORIGIN_MS) if entry["speaker"] == "agent"]
    assert [(entry["text"], entry["interrupted"]) for entry in agent] == [("One two", True)]


@pytest.mark.parametrize("heard_samples", [0, None], ids=["nothing was played", "nobody said what was played"])
def test_words_of_an_interrupted_reply_are_not_made_up(heard_samples: int | None) -> None:
    made = report(interrupted_turn(heard_samples))
    assert made["turns"][0]["agent"] == ""
    assert made["turns"][0]["interrupted"]


def test_a_pause_the_agent_came_back_from_is_no_interruption() -> None:
    script = Script().open().after(1_000).say("Hello?").respond("Good morning to you.")
    script.after(300).start_speaking()
    script.wait(100)
    script.stop_speaking()
    script.transcribed("")
    script.after(1_000).finish()
    (turn,) = report(script)["turns"]
    assert not turn["interrupted"]
    assert turn["agent"] == "Good morning to you."
    decisions = [(decision["outcome"], decision["cause"]) for decision in turn["barge_ins"]]
    assert decisions == [("paused", "onset"), ("rejected", "no_words")]


def test_a_turn_nobody_answered_says_why() -> None:
    script = Script().open().after(1_000).say("Hello?")
    script.write("I will look", end=True)
    script.fail(Stage.TTS)
    (turn,) = report(script)["turns"]
    assert not turn["answered"]
    assert turn["agent"] == ""
    assert [(failure["stage"], failure["reason"]) for failure in turn["failures"]] == [("tts", "engine_error")]
    assert turn["failures"][0]["caller_text"] == CALLER_TEXT[FailureReason.ENGINE_ERROR]
    assert "stages_ms" not in turn


def test_a_turn_that_was_tried_twice_says_what_became_of_the_last_try() -> None:
    script = Script().open().after(1_000).say("Hello?")
    script.after(100).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Hello? Are you open?")
    script.wait(300)
    script.write("I will look", end=True)
    script.fail(Stage.TTS)
    (turn,) = report(script)["turns"]
    assert script.log[-1][0] == e.RunFailed(
        at_ms=script.now_ms, run_id=2, stage=Stage.TTS, reason=FailureReason.ENGINE_ERROR, detail="it broke"
    )
    assert [failure["stage"] for failure in turn["failures"]] == ["tts"]


def test_a_recovery_line_counts_as_the_answer() -> None:
    script = Script().open().after(1_000).say("Hello?")
    script.fail(Stage.LLM)
    script.sound(0)
    script.synthesise(0)
    script.start(0)
    (turn,) = report(script)["turns"]
    assert turn["answered"]
    assert turn["agent"].startswith("Sorry, I lost my train of thought.")


def test_what_engines_cost_is_in_milliseconds() -> None:
    script = Script().open().after(1_000)
    script.start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    turn = script.state.turn
    assert turn is not None
    script.do(
        e.CallerTranscribed,
        utterance_id=turn.id,
        revision=turn.revision,
        kind=TranscribeKind.FINAL,
        text="Hello?",
        mean_log_probability=-0.1,
        no_speech_probability=0.1,
        timing=WorkTiming(queued_us=1_250, first_result_us=80_000, total_us=80_049),
    )
    script.wait(300)
    script.write("Good morning.")
    script.do(
        e.ReplyEnded,
        run_id=script.run_id,
        reason=FinishReason.STOP,
        prompt_tokens=30,
        cached_tokens=20,
        generated_tokens=4,
        timing=WorkTiming(total_us=500_000),
    )
    script.sound(0)
    script.synthesise(0)
    engines = report(script)["turns"][0]["engines"]
    assert engines["stt"] == {"queued_ms": 1.2, "first_result_ms": 80.0, "total_ms": 80.0}
    assert engines["llm"]["total_ms"] == 500.0
    assert (engines["llm"]["prompt_tokens"], engines["llm"]["cached_tokens"]) == (30, 20)
    assert len(engines["tts"]) == 1


def test_a_transcript_is_in_order_of_time_and_begins_with_the_greeting() -> None:
    script = Script(policy(greeting="Good morning.")).open()
    script.sound(0)
    script.synthesise(0)
    script.start(0)
    script.after(1_000).finish()
    script.after(500).say("Are you open?").respond("Yes.").finish()
    played = {1: span(0), 2: span(4_000)}
    said = make_transcript(log_of(script), played, ORIGIN_MS)
    assert [(entry["speaker"], entry["text"]) for entry in said] == [
        ("agent", "Good morning."),
        ("caller", "Are you open?"),
        ("agent", "Yes."),
    ]
    assert said[1]["start_ms"] == 1_500 - 60 - ORIGIN_MS
    assert (said[2]["start_ms"], said[2]["end_ms"]) == (4_000, 5_000)
    made = report(script, played)
    assert made["greeting"] == {"text": "Good morning.", "interrupted": False, "start_ms": 0}
    assert len(made["turns"]) == 1


def test_a_report_says_how_the_call_ended_and_who_served_it() -> None:
    failure = Failure(stage=Stage.LINK, reason=FailureReason.INFERENCE_LOST, detail="gone")
    script = Script().open().after(7_000)
    script.do(e.CallerHungUp)
    made = report(
        script, cause=EndCause.INFERENCE_UNAVAILABLE, failure=failure, node=NODE, counters={"ignored_run_ended": 2}
    )
    assert made["end"]["cause"] == "inference_unavailable"
    assert (made["end"]["failure"]["stage"], made["end"]["failure"]["retryable"]) == ("link", True)
    assert made["inference"]["engines"][0]["stage"] == "stt"
    assert made["duration_ms"] == 7_000 - ORIGIN_MS
    assert made["counters"] == {"ignored_run_ended": 2, "partial_transcripts": 0}


def test_a_failure_of_the_link_belongs_to_the_call() -> None:
    script = Script().open()
    script.do(e.InferenceLost, reason=FailureReason.PEER_SILENT, detail="nothing came")
    assert [failure["reason"] for failure in report(script)["failures"]] == ["peer_silent"]


def test_a_reply_that_was_cut_short_is_not_reported_as_heard() -> None:
    script = Script().open().after(1_000).say("Count for me.")
    script.write(TEN_WORDS, end=True)
    script.sound(0)
    script.synthesise(0, samples=160_000)
    script.start(0)
    script.after(3_000)
    script.do(e.CallerHungUp)
    (turn,) = report(script, {1: span(2_600, 3_000)})["turns"]
    assert turn["agent"] != TEN_WORDS
