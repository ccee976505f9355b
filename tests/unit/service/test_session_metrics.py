"""What the steps of a session do to the metrics while they happen."""

from collections.abc import Callable

import pytest
from support.measured_script import Measured
from support.session_script import SLOTS, SPECULATIVE, Script, policy

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import EndCause, Transcript, TranscriptKind
from voice_orchestrator.runtime.session_reading import SessionReading, SoundDrop
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import InterruptionPolicy

STAGES = {
    "endpointing": 0.5,
    "first_token": 0.07,
    "first_clause": 0.04,
    "synthesis": 0.11,
    "delivery": 0.05,
    "total": 0.77,
}


def answered_turn() -> Script:
    """A turn every stage of which takes a time of its own, heard from its first sample."""
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


def interrupted() -> Script:
    """The caller talks over the agent until that is an interruption."""
    script = answered_turn().after(500)
    script.start_speaking()
    script.wait(1_600)
    return script


# --- turns


def test_stages_of_a_turn_are_told_when_its_answer_begins_to_be_heard() -> None:
    measured = Measured(answered_turn())
    assert measured.all("voice_turn_latency_seconds_sum") == pytest.approx(
        {(stage, "clinic"): seconds for stage, seconds in STAGES.items()}
    )
    assert measured.value("voice_turn_latency_seconds_count", stage="transcription", profile="clinic") == 1


def test_the_buckets_tell_260_from_490_ms() -> None:
    buckets = set()
    for endpointing_ms in (260, 490):
        script = Script().open().after(1_000)
        script.start_speaking()
        script.after(endpointing_ms + 1_000)
        measured = Measured(script)
        measured.metrics.turns.latency.labels("total", "clinic").observe(endpointing_ms / 1_000)
        reached = measured.all("voice_turn_latency_seconds_bucket")
        buckets.add(min(float(labels[2]) for labels in reached))
    assert len(buckets) == 2


def test_turns_are_counted_once_by_how_they_came() -> None:
    script = answered_turn().finish()
    script.do(e.CallerTyped, text="And tomorrow?")
    measured = Measured(script)
    assert measured.all("voice_turns_total") == {("clinic", "speech"): 1, ("clinic", "typed"): 1}


def test_a_turn_whose_words_changed_is_one_turn() -> None:
    script = Script().open().say("Are you open today?").after(100)
    script.start_speaking()
    script.after(250).stop_speaking()
    script.transcribed("Are you open today and tomorrow?")
    script.wait(500)
    told = [words.text for words in script.all(Transcript) if words.kind is TranscriptKind.FINAL]
    assert told == ["Are you open today?", "Are you open today and tomorrow?"]
    assert Measured(script).all("voice_turns_total") == {("clinic", "speech"): 1}


def test_the_latency_of_a_typed_turn_is_not_a_voices() -> None:
    script = Script().open()
    script.do(e.CallerTyped, text="Are you open?")
    script.respond()
    measured = Measured(script)
    assert measured.all("voice_turn_latency_seconds_count") == {}


def test_a_call_without_sound_has_no_latency_of_a_voice() -> None:
    script = Script().open(speaks=False).say("Are you open?")
    script.write("Yes, we are. ")
    script.write("Do come by.", end=True)
    assert Measured(script).all("voice_turn_latency_seconds_count") == {}


# --- caller speech over the agent


def test_the_stop_is_measured_from_the_onset_to_the_pause_that_left() -> None:
    script = answered_turn().after(500)
    script.start_speaking()
    measured = Measured(script)
    assert measured.value("voice_barge_in_stop_seconds_count") == 0
    measured.session.stop_left(script.run_id + 1, script.now_ms + 10.0)
    measured.session.stop_left(script.run_id, script.now_ms + 15.0)
    # VAD reports the onset 60 ms after it was.
    assert measured.value("voice_barge_in_stop_seconds_sum") == pytest.approx(0.075)
    measured.session.stop_left(script.run_id, script.now_ms + 99.0)
    assert measured.value("voice_barge_in_stop_seconds_count") == 1


def test_the_flush_after_a_pause_is_not_a_second_stop() -> None:
    script = answered_turn().after(500)
    script.start_speaking()
    run_id = script.run_id
    measured = Measured(script)
    measured.session.stop_left(run_id, script.now_ms)
    script.wait(1_600)
    measured.catch_up().session.stop_left(run_id, script.now_ms)
    assert measured.value("voice_barge_in_stop_seconds_count") == 1
    assert measured.all("voice_barge_in_decisions_total") == {("paused", "onset"): 1, ("confirmed", "duration"): 1}


def test_words_that_come_after_the_agent_went_on_are_not_a_second_stop() -> None:
    script = answered_turn().after(500)
    script.start_speaking()
    run_id = script.run_id
    measured = Measured(script)
    measured.session.stop_left(run_id, script.now_ms)
    script.after(300).stop_speaking()
    script.wait(2_000)
    script.transcribed("And tomorrow?")
    measured.catch_up().session.stop_left(run_id, script.now_ms)
    assert measured.value("voice_barge_in_decisions_total", outcome="timed_out", cause="timeout") == 1
    assert measured.value("voice_barge_in_decisions_total", outcome="confirmed", cause="words") == 1
    assert measured.value("voice_barge_in_stop_seconds_count") == 1


def test_speech_that_began_before_anything_was_heard_is_stopped_at_once() -> None:
    script = answered_turn()
    run_id = script.run_id
    script.after(40).do(e.SpeechStarted, offset_samples=0, spoken_at_ms=script.now_ms - 60)
    measured = Measured(script)
    assert measured.value("voice_barge_in_decisions_total", outcome="confirmed", cause="continued") == 1
    measured.session.stop_left(run_id, script.now_ms + 20.0)
    assert measured.value("voice_barge_in_stop_seconds_sum") == pytest.approx(0.08)


def test_a_reply_that_goes_with_its_node_was_stopped_by_nobody() -> None:
    script = Script().open().say("Are you open today?").after(100)
    # Speech that lasts ends the reply nobody has heard yet; that decision is not about the next one.
    script.start_speaking()
    script.wait(340)
    script.after(600).stop_speaking()
    script.transcribed("Are you open today and tomorrow?")
    script.wait(500)
    script.respond().after(300)
    run_id = script.run_id
    script.lose_node()
    measured = Measured(script)
    measured.session.stop_left(run_id, script.now_ms)
    assert measured.value("voice_barge_in_decisions_total", outcome="confirmed", cause="duration") == 1
    assert measured.value("voice_barge_in_stop_seconds_count") == 0


def test_speech_within_the_echo_guard_is_stopped_by_its_words() -> None:
    guarded = policy(greeting="Good morning. How can I help?", interruptions=InterruptionPolicy())
    script = Script(guarded).open().after(100)
    script.synthesise(0)
    script.start(0)
    run_id = script.run_id
    script.after(300).start_speaking()
    measured = Measured(script)
    measured.session.stop_left(run_id, script.now_ms)
    assert measured.value("voice_barge_in_stop_seconds_count") == 0
    script.wait(440)
    script.transcribed("I need an appointment", final=False)
    measured.catch_up().session.stop_left(run_id, script.now_ms)
    assert measured.value("voice_barge_in_stop_seconds_sum") == pytest.approx(0.5)


def test_a_cough_is_a_pause_and_no_interruption() -> None:
    script = answered_turn().after(500)
    script.start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("")
    measured = Measured(script)
    assert measured.all("voice_barge_in_decisions_total") == {("paused", "onset"): 1, ("rejected", "no_words"): 1}


def test_a_key_interrupts_and_has_no_onset_to_measure_from() -> None:
    script = answered_turn().after(500)
    run_id = script.run_id
    script.key("5")
    measured = Measured(script)
    measured.session.stop_left(run_id, script.now_ms)
    assert measured.value("voice_barge_in_stop_seconds_count") == 0


# --- replies begun early, failures, what was ignored


def trailing() -> Script:
    script = Script(policy(turn_taking=SPECULATIVE)).open()
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Are you open today?")
    return script


def test_a_kept_speculation_is_told_from_a_wasted_one() -> None:
    kept = trailing().respond_silently()
    kept.wait(300)
    wasted = trailing().respond_silently()
    wasted.start_speaking()
    wasted.wait(1_000)
    measured = Measured(kept)
    Measured(wasted, measured.metrics)
    assert measured.all("voice_speculations_total") == {("kept",): 1, ("cancelled",): 1}
    assert measured.all("voice_speculation_tokens_total") == {("kept",): 1, ("cancelled",): 1}
    assert measured.all("voice_speculation_synthesised_seconds_total") == {("kept",): 1.0, ("cancelled",): 1.0}


def test_failures_are_counted_by_stage_and_reason() -> None:
    script = Script().open().say("Are you open?")
    script.fail(Stage.LLM)
    assert Measured(script).all("voice_failures_total") == {("llm", "engine_error"): 1}


def test_events_that_mean_nothing_are_counted_by_reason() -> None:
    script = answered_turn()
    script.do(e.ReplyText, run_id=99, text="late")
    script.do(e.ReplyText, run_id=99, text="later")
    assert Measured(script).all("voice_events_ignored_total") == {("run_ended",): 2}


# --- tools


def asking() -> Script:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    script.ask_tool()
    return script


def give_back(script: Script) -> None:
    script.after(300).do(e.ToolReturned, call_id=1, result="nine")


def fail(script: Script) -> None:
    script.after(300).do(e.ToolFailed, call_id=1, reason=FailureReason.TOOL_FAILED, detail="broke")


def overrun(script: Script) -> None:
    script.wait(10_000)


@pytest.mark.parametrize(
    ("happens", "outcome", "seconds"), [(give_back, "returned", 0.3), (fail, "failed", 0.3), (overrun, "overran", 10.0)]
)
def test_a_tool_comes_to_one_end(happens: Callable[[Script], None], outcome: str, seconds: float) -> None:
    script = asking()
    happens(script)
    script.do(e.ToolReturned, call_id=1, result="again")
    measured = Measured(script)
    assert measured.all("voice_tool_calls_total") == {("slots", outcome): 1}
    assert measured.value("voice_tool_seconds_sum", tool="slots") == pytest.approx(seconds)


def test_a_tool_that_is_at_work_when_the_call_ends_was_abandoned() -> None:
    script = asking()
    script.do(e.CallerHungUp)
    measured = Measured(script)
    measured.session.close(EndCause.CALLER_HUNG_UP)
    assert measured.all("voice_tool_calls_total") == {("slots", "abandoned"): 1}


# --- the node


def test_the_way_back_to_a_node_is_timed() -> None:
    script = Script().open().after(1_000)
    script.lose_node()
    script.after(100).lose_node()
    script.after(250).ready()
    measured = Measured(script)
    assert measured.all("voice_node_losses_total") == {("inference_lost",): 1}
    assert measured.all("voice_node_connect_failures_total") == {("inference_lost",): 1}
    assert measured.value("voice_node_reconnect_seconds_sum") == pytest.approx(0.35)
    assert measured.value("voice_node_reconnect_seconds_count") == 1


# --- begin and end


def test_a_session_is_counted_at_both_ends() -> None:
    script = Script().open().after(42_000)
    script.do(e.CallerHungUp)
    measured = Measured(script)
    for _ in range(2):
        measured.session.close(EndCause.INTERNAL)
    assert measured.all("voice_sessions_started_total") == {("clinic",): 1}
    assert measured.all("voice_sessions_ended_total") == {("caller_hung_up",): 1}
    assert measured.value("voice_session_seconds_sum") == pytest.approx(42.0)


def test_a_session_whose_core_broke_ended_as_its_runtime_says() -> None:
    measured = Measured(Script().open())
    measured.session.close(EndCause.INTERNAL)
    assert measured.all("voice_sessions_ended_total") == {("internal",): 1}


def test_a_failure_that_ends_the_call_is_counted() -> None:
    script = Script().open()
    script.do(e.EdgeLost, detail="gone")
    measured = Measured(script)
    assert measured.all("voice_failures_total") == {("edge", "edge_lost"): 1}
    assert measured.all("voice_sessions_ended_total") == {("edge_lost",): 1}


def test_what_a_session_dropped_is_counted_once() -> None:
    measured = Measured(Script().open())
    dropped = {SoundDrop.CALLER_LATE: 8_000, SoundDrop.AGENT_RUN_ENDED: 0}
    measured.session.attach(lambda: SessionReading(sound_dropped=dict(dropped), heartbeats_missed=2))
    measured.session.take_reading()
    measured.session.take_reading()
    dropped[SoundDrop.CALLER_LATE] = 24_000
    measured.session.close(EndCause.CALLER_HUNG_UP)
    assert measured.all("voice_sound_dropped_seconds_total") == {("caller", "late"): 1.5}
    assert measured.value("voice_heartbeats_missed_total") == 2
