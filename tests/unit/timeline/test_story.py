"""What folding a journal finds: states of turns and runs, speech, decisions, failures, tools."""

import json
from pathlib import Path

import pytest
from support.session_journal import write_journal
from support.session_script import SLOTS, SPECULATIVE, Script, policy

from voice_contract.failures import FailureReason, Stage
from voice_contract.messages import FinishReason
from voice_orchestrator.runtime.journal_reader import JournalError
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import Detection, TurnTakingPolicy
from voice_orchestrator.timeline.spans import Span, SpanTrack
from voice_orchestrator.timeline.story import CallStory, read_story


def story_of(folder: Path, script: Script, *, closes: bool = True) -> CallStory:
    path = folder / "journal.jsonl"
    write_journal(path, script, closes=closes)
    return read_story(path)


def told(spans: list[Span]) -> list[tuple[str, int, int]]:
    return [(span.state, span.from_ms, span.to_ms) for span in spans]


def test_spans_follow_each_other_and_are_never_empty() -> None:
    track = SpanTrack()
    track.enter("one", 10)
    track.enter("one", 20)
    track.enter("two", 30)
    track.enter("three", 30)
    track.enter(None, 5)
    track.enter(None, 99)
    assert told(track.spans) == [("one", 10, 30)]
    assert track.state is None


def test_a_turn_is_spoken_judged_committed_and_answered(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.after(1_000).say("Are you open today?")
    script.after(80).respond("Yes, we are.")
    script.after(900).finish()
    script.after(100).do(e.CallerHungUp)
    story = story_of(tmp_path, script)

    turn = story.caller.turns[1]
    assert told(turn.states.spans) == [
        ("speaking", 940, 1_800),
        ("trailing", 1_800, 2_300),
        ("committed", 2_300, 2_380),
    ]
    assert told(story.caller.speech) == [("speech", 940, 1_800)]
    assert [(words.at_ms, words.text, words.used) for words in turn.words] == [(2_000, "Are you open today?", True)]
    run = story.runs.runs[1]
    assert told(run.states.spans) == [("silent", 2_300, 2_380), ("audible", 2_380, 3_280)]
    assert (run.kind, run.turn_id, run.text, run.ending) == ("reply", 1, "Yes, we are.", "heard")
    assert run.latency is not None
    assert run.latency_at_ms - run.latency.total_ms == 1_800
    assert run.played_samples == 16_000
    assert told(story.phases)[-2:] == [("responding", 2_380, 3_280), ("active", 3_280, 3_380)]
    assert story.incidents.end_cause == "caller_hung_up"
    assert story.whole


def test_a_reply_begun_early_is_speculative_until_the_commit(tmp_path: Path) -> None:
    script = Script(policy(turn_taking=SPECULATIVE)).open()
    script.after(1_000).start_speaking()
    script.wait(1_000)
    script.stop_speaking()
    script.transcribed("Are you open today?")
    script.wait(100)
    script.start_speaking()
    script.wait(600)
    script.stop_speaking()
    script.transcribed("Are you open today or tomorrow?")
    script.wait(600)
    script.write("Yes")
    story = story_of(tmp_path, script, closes=False)

    first, second = story.runs.runs.values()
    assert told(first.states.spans)[0] == ("speculative", 2_000, 2_440)
    assert first.ending == "cancelled"
    assert first.speculation is not None
    assert [state for state, _, _ in told(second.states.spans)] == ["speculative", "silent"]
    assert (second.ending, second.text) == ("open", "Yes")
    states = [state for state, _, _ in told(story.caller.turns[1].states.spans)]
    assert states == ["speaking", "trailing", "speaking", "trailing", "committed"]
    assert not story.whole


def test_a_decision_holds_the_pause_before_it(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.say("Hello.").respond("Good morning, how can I help you?")
    script.after(1_000).start_speaking()
    paused_at_ms = script.now_ms
    script.wait(300)
    script.stop_speaking()
    script.transcribed("mm hm")
    script.after(300).start_speaking()
    again_at_ms = script.now_ms
    script.wait(300)
    script.stop_speaking()
    script.transcribed("Stop.")
    stopped_at_ms = script.now_ms
    script.after(40).report(1, 12_000)
    story = story_of(tmp_path, script)

    rejected, confirmed = story.incidents.interruptions
    assert (rejected.paused_at_ms, rejected.decided_at_ms) == (paused_at_ms, paused_at_ms + 300)
    assert (rejected.outcome, rejected.cause, rejected.run_id) == ("rejected", "backchannel", 1)
    assert (confirmed.paused_at_ms, confirmed.outcome, confirmed.cause) == (again_at_ms, "confirmed", "words")
    run = story.runs.runs[1]
    assert [state for state, _, _ in told(run.states.spans)][-4:] == ["paused", "audible", "paused", "flushing"]
    assert told(run.states.spans)[-1] == ("flushing", stopped_at_ms, stopped_at_ms + 40)
    assert (run.ending, run.ended_at_ms) == ("interrupted", stopped_at_ms + 40)


def test_a_pause_nobody_decided_is_told_as_one(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.say("Hello.").respond("Good morning, how can I help you?")
    script.after(1_000).start_speaking()
    (open_one,) = story_of(tmp_path, script, closes=False).incidents.interruptions
    assert (open_one.outcome, open_one.cause, open_one.decided_at_ms) == ("paused", "onset", None)
    assert open_one.at_ms == script.now_ms


def test_failures_say_what_they_belong_to(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.say("Hello.").respond("Good morning.")
    script.finish()
    script.after(500).say("Are you open?")
    script.fail(Stage.LLM, FailureReason.ENGINE_ERROR)
    script.after(10).do(e.ShellFailed, detail="a defect")
    story = story_of(tmp_path, script)
    first, last = story.incidents.mishaps
    assert (first.failure.stage, first.failure.utterance_id, first.run_id, first.ended_call) == (Stage.LLM, 2, 2, False)
    assert (last.failure.reason, last.ended_call) == (FailureReason.INTERNAL, True)
    assert story.incidents.marks[-1].label == "end of the call: internal"


def test_tools_are_at_work_from_the_commit_to_their_answer(tmp_path: Path) -> None:
    script = Script(policy(tools=SLOTS)).open()
    script.say("When is a slot free?")
    script.ask_tool()
    script.ask_tool(call_index=1)
    script.finish_writing(FinishReason.TOOLS)
    began_at_ms = script.now_ms
    script.after(250).do(e.ToolReturned, call_id=1, result="nine o'clock")
    script.after(50).do(e.ToolFailed, call_id=2, reason=FailureReason.TOOL_FAILED, detail="no answer")
    tools = story_of(tmp_path, script).incidents.tools
    assert [(tool.from_ms, tool.to_ms, tool.outcome, tool.result) for tool in tools.values()] == [
        (began_at_ms, began_at_ms + 250, "returned", "nine o'clock"),
        (began_at_ms, began_at_ms + 300, "failed", "no answer"),
    ]
    assert tools[1].name == "slots"


def test_a_tool_that_overran_failed_at_its_deadline(tmp_path: Path) -> None:
    script = Script(policy(tools=SLOTS)).open()
    script.say("When is a slot free?")
    script.ask_tool()
    script.finish_writing(FinishReason.TOOLS)
    began_at_ms = script.now_ms
    script.wait(10_000)
    (tool,) = story_of(tmp_path, script).incidents.tools.values()
    assert (tool.outcome, tool.to_ms) == ("failed", began_at_ms + 10_000)


def test_keys_the_button_and_a_lost_node_are_marked(tmp_path: Path) -> None:
    script = Script(policy(turn_taking=TurnTakingPolicy(detection=Detection.PUSH_TO_TALK))).open()
    script.after(100).key("4")
    script.after(100).press()
    script.after(700).let_go()
    script.after(100).lose_node()
    story = story_of(tmp_path, script)
    assert [mark.label for mark in story.incidents.marks] == [
        "inference node ready",
        "key 4",
        "inference node lost: inference lost",
    ]
    assert told(story.caller.button) == [("pressed", 200, 900)]


def test_speech_ends_with_the_node_that_heard_it(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.after(1_000).start_speaking()
    script.after(400).lose_node()
    assert told(story_of(tmp_path, script).caller.speech) == [("speech", 940, 1_400)]


def test_typed_turns_are_answered_without_sound(tmp_path: Path) -> None:
    script = Script(policy(greeting="Good morning.")).open(listens=False, speaks=False)
    script.after(100).do(e.CallerTyped, text="Are you open?")
    script.after(100).write("Yes, we are.", end=True)
    story = story_of(tmp_path, script)
    greeting, reply = story.runs.runs.values()
    assert (greeting.text, greeting.ending, greeting.began_at_ms) == ("Good morning.", "heard", 0)
    assert (reply.text, reply.turn_id, reply.ending) == ("Yes, we are.", 1, "heard")
    assert story.log.turns[1].words == "Are you open?"


def test_what_comes_after_the_end_is_only_listed(tmp_path: Path) -> None:
    script = Script(policy()).open()
    script.after(1_000).do(e.CallerHungUp)
    script.after(5_000).do(e.SpeechStarted, offset_samples=0, spoken_at_ms=5_900)
    story = story_of(tmp_path, script)
    assert story.ended_at_ms == 1_000
    assert len(story.rows) == len(script.log)
    assert story.rows[-1].ignored == "terminated"
    assert not story.caller.speech


def test_a_journal_that_does_not_fold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    entry = json.loads(lines[4])
    entry["commands"] = [{"is": "ReleaseRun", "run_id": 77}]
    lines[4] = json.dumps(entry)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(JournalError, match=r"line 5: does not fold to the commands of the call; look at it with"):
        read_story(path)
