"""Scenarios on virtual time: every step begins at its moment, and what is written down is what was heard."""

import json

import numpy as np
import pytest
from support.scripted_inference import AGENT_LEVEL, Behaviour, ScriptedInference
from support.session_script import policy
from support.virtual_call import CALLER_LEVEL, speech
from support.virtual_scenario import ScenarioCall, make_scenario_call, plays, scenario
from support.virtual_time import run_virtual

from voice_contract.audio import FRAME_MS
from voice_orchestrator.edges.scenario import Moment, caller_document
from voice_orchestrator.session.policy import CallLimits

LONG = "One two three four five six seven eight nine ten. " * 3


def long_replies() -> ScriptedInference:
    return ScriptedInference(Behaviour(replies=[LONG, "Fine.", "Fine."]))


def onsets_ms(samples: np.ndarray, level: int) -> list[int]:
    """Where sound of this level begins after at least 100 ms without."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) == level)
    first = np.concatenate([[True], np.diff(loud) > 1_600])
    return [int(at) // 16 for at in loud[first]]


def steps_ms(call: ScenarioCall) -> list[tuple[int, int]]:
    return [(done.start_samples // 16, done.end_samples // 16) for done in call.caller.done]


def test_a_sound_begins_so_long_after_the_reply_began_to_be_heard() -> None:
    story = scenario(plays(speech(1.0)), plays(speech(1.0), Moment(over_agent_ms=1_500)))
    call = run_virtual(make_scenario_call(policy(), story, long_replies()))
    reply_ms = onsets_ms(call.sound_of_agent, AGENT_LEVEL)[0]
    assert abs(steps_ms(call)[1][0] - reply_ms - 1_500) <= 2 * FRAME_MS
    assert not call.caller.done[1].given_up


def test_the_first_sound_may_be_said_over_the_greeting() -> None:
    story = scenario(plays(speech(1.0), Moment(over_agent_ms=400)))
    call = run_virtual(make_scenario_call(policy(greeting="Good morning to you all."), story))
    greeting_ms = onsets_ms(call.sound_of_agent, AGENT_LEVEL)[0]
    assert abs(steps_ms(call)[0][0] - greeting_ms - 400) <= 2 * FRAME_MS


def test_a_sound_waits_until_the_agent_has_answered_and_finished() -> None:
    story = scenario(plays(speech(1.0)), plays(speech(1.0)))
    call = run_virtual(make_scenario_call(policy(greeting="Good morning."), story))
    agent = np.flatnonzero(call.sound_of_agent == AGENT_LEVEL) // 16
    for start_ms, end_ms in steps_ms(call):
        assert not ((agent >= start_ms) & (agent < end_ms)).any()
        assert (agent < start_ms).any()
    assert onsets_ms(call.sound_of_caller, CALLER_LEVEL) == [start for start, _ in steps_ms(call)]


def test_a_sound_begins_so_long_after_the_one_before() -> None:
    story = scenario(plays(speech(1.0)), plays(speech(0.5), Moment(after_ms=240)))
    call = run_virtual(make_scenario_call(policy(), story))
    (_, first_end), (second, _) = steps_ms(call)
    assert -FRAME_MS <= second - first_end - 240 <= 2 * FRAME_MS


def test_both_conditions_of_a_moment_hold() -> None:
    cough = Behaviour(transcripts=["Hello?", "", ""], replies=[LONG])
    over = Moment(over_agent_ms=500, after_ms=2_000)
    story = scenario(plays(speech(1.0)), plays(speech(0.2), over), plays(speech(0.2), over))
    call = run_virtual(make_scenario_call(policy(), story, ScriptedInference(cough)))
    _, (first, first_end), (second, _) = steps_ms(call)
    reply_ms = onsets_ms(call.sound_of_agent, AGENT_LEVEL)[0]
    assert first >= reply_ms + 500 - FRAME_MS
    assert -FRAME_MS <= second - first_end - 2_000 <= 2 * FRAME_MS
    assert [done.given_up for done in call.caller.done] == [False, False, False]


def test_a_paused_agent_is_not_talked_over() -> None:
    """The second sound waits until the agent, stopped by the first, is heard again."""
    cough = Behaviour(transcripts=["Hello?", "", ""], replies=[LONG])
    over = Moment(over_agent_ms=500)
    story = scenario(plays(speech(1.0)), plays(speech(0.2), over), plays(speech(0.2), over))
    call = run_virtual(make_scenario_call(policy(), story, ScriptedInference(cough)))
    second = call.caller.done[2].start_samples
    assert (call.sound_of_agent[second - 1_600 : second] == AGENT_LEVEL).any()


def test_an_agent_that_finishes_too_early_is_not_waited_for_long() -> None:
    story = scenario(plays(speech(1.0)), plays(speech(1.0), Moment(over_agent_ms=60_000)))
    call = run_virtual(make_scenario_call(policy(), story), at_most_s=20.0)
    assert [done.given_up for done in call.caller.done] == [False, True]
    assert call.caller.finished


def test_a_moment_that_never_comes_is_given_up() -> None:
    silent = ScriptedInference(Behaviour(transcripts=[""]))
    story = scenario(plays(speech(0.1), Moment(give_up_ms=3_000)), plays(speech(0.1), Moment(give_up_ms=3_000)))
    call = run_virtual(make_scenario_call(policy(), story, silent), at_most_s=40.0)
    assert call.caller.done[1].given_up


def test_what_is_written_down_is_where_the_recording_has_it() -> None:
    story = scenario(plays(speech(1.0)), plays(speech(0.77), Moment(over_agent_ms=900)))
    call = run_virtual(make_scenario_call(policy(), story, long_replies()))
    document = json.loads(json.dumps(caller_document(call.caller)))
    assert document["finished"]
    assert document["late_agent_samples"] == 0
    for step, entry in zip(story.steps, document["steps"], strict=True):
        start, end = entry["start_samples"], entry["end_samples"]
        assert entry["play"] == "caller.wav"
        assert np.array_equal(call.sound_of_caller[start:end], step.action.sound.samples)  # type: ignore[union-attr]


@pytest.mark.parametrize("steps", [1, 3])
def test_a_call_that_ends_early_leaves_its_scenario_unfinished(steps: int) -> None:
    short = policy(limits=CallLimits(call_ms=800))
    call = run_virtual(make_scenario_call(short, scenario(*[plays(speech(3.0))] * steps)))
    assert not call.caller.finished
    assert len(call.caller.done) == 1
