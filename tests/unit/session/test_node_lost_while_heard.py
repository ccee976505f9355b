"""A reply that is heard when its node is lost: what is here is heard to its end, the rest is said by the next node."""

from support.session_script import SLOTS, Script, names, only, policy

from voice_contract.messages import ChatRole, FinishReason, Phase, Synthesize
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import RecoveryLines
from voice_orchestrator.session.state import RunStatus

HOLDING = policy(recovery=RecoveryLines(node_lost="One moment, please."))
FIRST, SECOND, THIRD = "We open at nine.", "We close at five.", "Come by whenever you like."
SAMPLES = 16_000


def replying(*, synthesised: int, script: Script | None = None) -> Script:
    """A reply of three segments is written and heard from its beginning, and so many segments are here."""
    script = (script or Script()).open().say("When are you open?")
    script.write(f"{FIRST} {SECOND} {THIRD}", end=True)
    script.sound(0)
    for index in range(synthesised):
        script.synthesise(index, SAMPLES)
    script.start(0)
    return script


def hear(script: Script, first: int, until: int) -> None:
    """The live run's segments are heard one after the other, and the edge reports their end."""
    for index in range(first, until):
        if index:
            script.start(index)
        script.play(index)
    run = script.state.run
    assert run is not None
    script.report(run.id, run.samples_known)


def said(script: Script) -> list[tuple[ChatRole, str, bool]]:
    return [(each.role, each.text, each.interrupted) for each in script.state.history]


def test_a_reply_that_is_all_here_is_heard_to_its_end_without_a_node() -> None:
    script = replying(synthesised=3)
    commands = script.lose_node()
    assert not {"FlushRun", "DropRun", "CloseRun"} & set(names(commands))
    assert script.where() is Phase.CONNECTING
    hear(script, 0, 3)
    assert (script.where(), script.state.run) == (Phase.CONNECTING, None)
    assert said(script)[-1] == (ChatRole.ASSISTANT, f"{FIRST} {SECOND} {THIRD}", False)
    assert "Synthesize" not in names(script.ready())


def test_a_reply_that_outlasts_the_search_for_a_node_is_responding_again() -> None:
    script = replying(synthesised=3)
    script.lose_node()
    script.ready()
    assert script.where() is Phase.RESPONDING
    hear(script, 0, 3)
    assert script.where() is Phase.ACTIVE


def test_what_the_lost_node_had_not_spoken_is_said_by_the_next_one_after_what_is_heard() -> None:
    script = replying(synthesised=1)
    before = script.run_id
    assert "CloseRun" in names(script.lose_node())
    assert "Synthesize" not in names(script.ready())
    hear(script, 0, 1)
    assert script.run_id > before
    asked = script.all(Synthesize)[-2:]
    assert [(each.segment_index, each.text) for each in asked] == [(0, SECOND), (1, THIRD)]
    script.sound(0)
    assert script.where() is Phase.RESPONDING
    for index in range(2):
        script.synthesise(index, SAMPLES)
    script.start(0)
    hear(script, 0, 2)
    assert said(script)[-1] == (ChatRole.ASSISTANT, f"{FIRST} {SECOND} {THIRD}", False)
    assert script.where() is Phase.ACTIVE


def test_the_rest_waits_for_a_node_when_what_is_here_ends_before_there_is_one() -> None:
    script = replying(synthesised=1)
    script.lose_node()
    hear(script, 0, 1)
    assert script.state.run is None
    (asked, _) = only(script.ready(), Synthesize)
    assert asked.text == SECOND


def test_the_rest_survives_the_next_node_as_well() -> None:
    script = replying(synthesised=1)
    script.lose_node()
    hear(script, 0, 1)
    script.ready()
    assert "DropRun" in names(script.lose_node())
    assert [each.text for each in only(script.ready(), Synthesize)] == [SECOND, THIRD]


def test_a_caller_who_speaks_next_does_not_want_the_rest() -> None:
    script = replying(synthesised=1)
    script.lose_node()
    hear(script, 0, 1)
    script.do(e.CallerTyped, text="And on Sundays?")
    script.ready()
    assert SECOND not in [each.text for each in script.all(Synthesize)[2:]][1:]
    assert script.state.unsaid == ()


def test_who_types_over_what_is_here_ends_it_and_the_rest() -> None:
    script = replying(synthesised=1)
    script.lose_node()
    assert "FlushRun" in names(script.do(e.CallerTyped, text="And on Sundays?"))
    assert script.state.unsaid == ()


def test_a_caller_who_was_talking_over_the_reply_ends_it() -> None:
    script = replying(synthesised=3)
    script.after(200).start_speaking()
    assert script.state.watch is not None
    assert "FlushRun" in names(script.lose_node())
    assert script.state.unsaid == ()


def test_a_reply_that_waits_for_a_tool_ends() -> None:
    script = Script(policy(tools=SLOTS)).open().say("When are you free?")
    script.write("Let me look that up for you.")
    script.ask_tool()
    script.finish_writing(FinishReason.TOOLS)
    script.sound(0)
    script.synthesise(0)
    script.start(0)
    assert "FlushRun" in names(script.lose_node())


def test_nobody_is_told_to_wait_while_something_is_heard() -> None:
    script = replying(synthesised=1, script=Script(HOLDING))
    script.lose_node()
    assert only(script.wait(900), c.SpeakPrepared) == []
    hear(script, 0, 1)
    assert len(only(script.wait(0), c.SpeakPrepared)) == 1
    assert script.state.run is not None
    assert script.state.run.status is RunStatus.SILENT
    script.ready()
    assert script.all(Synthesize)[-2].text == SECOND


def test_the_end_of_the_call_forgets_the_rest() -> None:
    script = replying(synthesised=1)
    script.lose_node()
    script.do(e.CallerHungUp)
    assert script.state.unsaid == ()
