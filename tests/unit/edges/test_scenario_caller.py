"""What a scenario's caller sends to a session that says nothing."""

import asyncio

from support.virtual_call import speech
from support.virtual_scenario import plays, scenario
from support.virtual_time import run_virtual, virtual_clock

from voice_contract.messages import (
    Audio,
    AudioFormat,
    CallAccepted,
    CallOpen,
    Dtmf,
    HangUp,
    Payload,
    Phase,
    PhaseChanged,
    TalkPressed,
    TalkReleased,
)
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.scenario import Moment, PressKey, Scenario, ScenarioCaller, Step, Talk, caller_document
from voice_orchestrator.runtime.edge_pair import EdgeEnd, edge_pair
from voice_orchestrator.runtime.ports import EdgeGoneError


async def call(story: Scenario) -> tuple[ScenarioCaller, list[Payload]]:
    """The caller after the call, and what it sent."""
    clock = virtual_clock()
    session, end = edge_pair("s", clock.monotonic_us)
    caller = ScenarioCaller(
        end=end, clock=clock, scenario=story, recording=StereoRecording(), profile="p", greets=False, settle_s=0.5
    )
    await session.send(CallAccepted(caller_format=AudioFormat(), agent_format=AudioFormat()))
    await session.send(PhaseChanged(from_phase=Phase.CONNECTING, to_phase=Phase.ACTIVE))
    got: list[Payload] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(keep(session, got))
        group.create_task(caller.run())
    return caller, got


async def keep(session: EdgeEnd, got: list[Payload]) -> None:
    try:
        while True:
            got.append((await session.receive()).payload)
    except EdgeGoneError:
        return


def test_keys_and_the_button_to_talk_are_sent_in_order_where_they_are_pressed() -> None:
    story = scenario(
        Step(action=PressKey(key="5")),
        Step(action=Talk(pressed=True), moment=Moment(after_ms=500)),
        plays(speech(0.5), Moment(after_ms=0)),
        Step(action=Talk(pressed=False), moment=Moment(after_ms=0)),
    )
    caller, got = run_virtual(call(story))
    key, pressed, sound, released = caller.done
    assert [payload for payload in got if not isinstance(payload, Audio | CallOpen)] == [
        Dtmf(key="5"),
        TalkPressed(offset_samples=pressed.start_samples),
        TalkReleased(offset_samples=released.start_samples),
        HangUp(),
    ]
    assert pressed.start_samples - key.end_samples >= 480 * 16
    assert pressed.start_samples <= sound.start_samples
    assert sound.end_samples <= released.start_samples
    kinds = [next(iter(set(entry) - COMMON)) for entry in caller_document(caller)["steps"]]
    assert kinds == ["key", "press", "play", "release"]


COMMON = {"step", "begin", "given_up", "start_samples", "end_samples", "gain_db"}


def test_a_session_that_never_answers_is_given_up_step_by_step() -> None:
    wait = Moment(give_up_ms=2_000)
    caller, got = run_virtual(call(scenario(plays(speech(0.5)), plays(speech(0.5), wait))), at_most_s=60.0)
    assert [done.given_up for done in caller.done] == [False, True]
    assert caller.finished
    assert got.count(HangUp()) == 1
