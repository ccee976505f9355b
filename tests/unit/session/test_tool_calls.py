"""Tools the model asks for: called once, their result used once."""

from dataclasses import replace

import pytest
from support.session_script import SLOTS, SPECULATIVE, Script, names, only, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import ChatMessage, ChatRole, FinishReason, Generate, Phase, SpeculationEnded, Synthesize
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.tools import CALLS_WAITING_MAX


def asking(words: str = "") -> Script:
    """The model has asked for a tool, after it wrote `words`, and waits for it."""
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    if words:
        script.write(words)
    script.ask_tool()
    script.finish_writing(FinishReason.TOOLS)
    return script


def give_back(script: Script, result: str = "nine, eleven", call_id: int = 1) -> tuple[c.Command, ...]:
    return script.do(e.ToolReturned, call_id=call_id, result=result)


def tools_in(messages: tuple[ChatMessage, ...]) -> list[tuple[str, str]]:
    """The tool entries of a prompt: the call's name and text or result."""
    return [(m.tool_call_id, m.text) for m in messages if m.role is ChatRole.TOOL]


def test_a_tool_is_called_at_once_when_the_turn_is_committed() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    assert [tool.name for tool in script.all(Generate)[0].tools] == ["slots"]
    (call,) = only(script.ask_tool(), c.CallTool)
    assert (call.call_id, call.name, call.arguments, call.timeout_ms) == (1, "slots", '{"day": "Friday"}', 10_000)


def test_the_model_goes_on_with_what_the_tool_gave_back() -> None:
    script = asking("One moment. ")
    (generate,) = only(give_back(script), Generate)
    roles = [m.role for m in generate.messages]
    assert roles == [ChatRole.SYSTEM, ChatRole.USER, ChatRole.ASSISTANT, ChatRole.TOOL]
    asked, result = generate.messages[2:]
    assert (asked.text, asked.tool_name, asked.tool_arguments) == ("One moment.", "slots", '{"day": "Friday"}')
    assert (result.text, result.tool_call_id) == ("nine, eleven", asked.tool_call_id)
    script.write("At nine.", end=True)
    assert [words.text for words in script.all(Synthesize)] == ["One moment.", "At nine."]


def test_the_result_is_in_the_history_once_behind_the_words_it_serves() -> None:
    script = asking()
    give_back(script)
    script.write("At nine.", end=True)
    script.synthesise(0)
    script.finish()
    assert [(said.role, said.text) for said in script.state.history] == [
        (ChatRole.USER, "Is Friday free?"),
        (ChatRole.ASSISTANT, ""),
        (ChatRole.TOOL, "nine, eleven"),
        (ChatRole.ASSISTANT, "At nine."),
    ]
    assert script.state.tools == ()


def test_a_second_answer_is_refused() -> None:
    script = asking()
    give_back(script)
    give_back(script, "none")
    assert script.ignored == "tool_not_running"
    script.do(e.ToolFailed, call_id=1, reason=FailureReason.ENGINE_ERROR, detail="late")
    assert script.ignored == "tool_not_running"


def test_all_tools_of_a_round_are_waited_for() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Friday or Monday?")
    script.ask_tool()
    script.ask_tool(call_index=1, arguments='{"day": "Monday"}')
    script.finish_writing(FinishReason.TOOLS)
    assert "Generate" not in names(give_back(script, "full", call_id=2))
    (generate,) = only(give_back(script, "nine"), Generate)
    assert [text for _, text in tools_in(generate.messages)] == ["nine", "full"]
    assert len({name for name, _ in tools_in(generate.messages)}) == 2


def test_an_answer_before_the_model_has_finished_asking_is_waited_with() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    script.ask_tool()
    assert "Generate" not in names(give_back(script))
    assert only(script.finish_writing(FinishReason.TOOLS), Generate)


def test_a_request_out_of_order_or_after_the_end_means_nothing() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    script.ask_tool(call_index=1)
    assert script.ignored == "tool_not_awaited"
    script.ask_tool()
    script.ask_tool()
    assert script.ignored == "tool_not_awaited"
    script.finish_writing(FinishReason.TOOLS)
    script.ask_tool(call_index=1)
    assert script.ignored == "tool_not_awaited"
    script.write("More. ")
    assert script.ignored == "text_after_end"
    assert len(script.all(c.CallTool)) == 1


def test_a_model_that_says_it_waits_for_tools_and_asked_for_none_has_finished() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    script.write("Yes.")
    script.finish_writing(FinishReason.TOOLS)
    script.synthesise(0)
    script.finish()
    assert script.where() is Phase.ACTIVE


# --- speculation


def test_no_tool_is_called_before_the_turn_is_committed() -> None:
    script = Script(policy(tools=SLOTS, turn_taking=SPECULATIVE)).open()
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Is Friday free?")
    assert script.ask_tool() == ()
    script.finish_writing(FinishReason.TOOLS)
    assert [call.call_id for call in only(script.wait(300), c.CallTool)] == [1]
    assert only(give_back(script), Generate)


def test_a_tool_of_a_reply_that_is_given_up_is_never_called() -> None:
    script = Script(policy(tools=SLOTS, turn_taking=SPECULATIVE)).open()
    script.start_speaking()
    script.after(1_000).stop_speaking()
    script.transcribed("Is Friday")
    script.ask_tool()
    script.start_speaking()
    script.wait(600)
    assert script.all(SpeculationEnded)
    script.stop_speaking()
    script.transcribed("Is Friday free or Monday?")
    script.wait(500)
    assert script.all(c.CallTool) == []
    assert script.state.tools == ()
    assert tools_in(script.all(Generate)[-1].messages) == []


# --- interruptions


def test_a_reply_that_is_interrupted_leaves_its_tool_at_work_and_its_result_for_the_next() -> None:
    script = asking("One moment, I look. ")
    script.synthesise(0)
    script.start(0)
    script.after(500).start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("And Monday?")
    script.report(1, 16_000)
    script.wait(300)
    assert tools_in(script.all(Generate)[-1].messages) == []
    give_back(script)
    script.respond("Monday is full.").finish()
    script.say("Then Friday.")
    assert tools_in(script.all(Generate)[-1].messages) == [("call-1", "nine, eleven")]
    assert len(script.all(c.CallTool)) == 1


def test_a_cough_while_a_tool_works_keeps_the_reply() -> None:
    script = asking()
    script.after(100).start_speaking()
    script.after(250).stop_speaking()
    script.transcribed("Is Friday free?")
    give_back(script)
    script.wait(500)
    script.write("At nine.", end=True)
    assert "ReleaseRun" in names(script.sound(0))
    assert len(script.all(c.CallTool)) == 1


def test_a_result_of_a_reply_that_is_given_up_while_the_agent_thinks_is_remembered() -> None:
    script = asking()
    give_back(script)
    script.after(50).start_speaking()
    script.wait(600)
    script.stop_speaking()
    script.transcribed("Is Friday free for two?")
    script.wait(500)
    assert tools_in(script.all(Generate)[-1].messages) == [("call-1", "nine, eleven")]


# --- failures


def test_the_model_is_told_of_a_tool_that_fails() -> None:
    script = asking()
    commands = script.do(e.ToolFailed, call_id=1, reason=FailureReason.ENGINE_ERROR, detail="no connection")
    (failure,) = only(commands, Failure)
    assert (failure.stage, failure.reason, failure.detail) == (
        Stage.TOOL,
        FailureReason.ENGINE_ERROR,
        "slots: no connection",
    )
    (generate,) = only(commands, Generate)
    assert tools_in(generate.messages) == [("call-1", "error: no connection")]


def test_a_tool_that_does_not_answer_in_time_has_failed_and_its_answer_is_refused() -> None:
    script = asking()
    commands = script.wait(10_000)
    assert [failure.reason for failure in only(commands, Failure)] == [FailureReason.DEADLINE_EXCEEDED]
    assert only(commands, Generate)
    give_back(script)
    assert script.ignored == "tool_not_running"


def test_only_the_tool_that_is_late_has_failed() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Friday or Monday?")
    script.ask_tool()
    script.wait(4_000)
    script.ask_tool(call_index=1)
    script.finish_writing(FinishReason.TOOLS)
    assert len(only(script.wait(6_000), Failure)) == 1
    (generate,) = only(give_back(script, "nine", call_id=2), Generate)
    assert [text for _, text in tools_in(generate.messages)] == ["error: the tool did not answer in time", "nine"]


def test_an_unknown_tool_is_not_called() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    commands = script.ask_tool("prices")
    assert [failure.reason for failure in only(commands, Failure)] == [FailureReason.TOOL_UNKNOWN]
    assert script.all(c.CallTool) == []
    (generate,) = only(script.finish_writing(FinishReason.TOOLS), Generate)
    assert tools_in(generate.messages) == [("call-1", "error: there is no such tool")]


def test_too_many_tools_at_work_are_refused() -> None:
    script = Script(policy(tools=SLOTS)).open().say("Is Friday free?")
    for index in range(CALLS_WAITING_MAX):
        script.ask_tool(call_index=index)
    commands = script.ask_tool(call_index=CALLS_WAITING_MAX)
    assert [failure.reason for failure in only(commands, Failure)] == [FailureReason.OVERLOADED]
    assert len(script.all(c.CallTool)) == CALLS_WAITING_MAX


@pytest.mark.parametrize("rounds_max", [1, 2])
def test_after_so_many_rounds_the_reply_must_do_without(rounds_max: int) -> None:
    script = Script(policy(tools=replace(SLOTS, rounds_max=rounds_max))).open().say("Is Friday free?")
    for number in range(rounds_max):
        script.ask_tool(call_index=number)
        script.finish_writing(FinishReason.TOOLS)
        give_back(script, call_id=number + 1)
    offered = [bool(generate.tools) for generate in script.all(Generate)]
    assert offered == [True] * rounds_max + [False]


def test_a_model_that_writes_nothing_after_its_tools_fails_in_time() -> None:
    script = asking()
    give_back(script)
    assert [f.stage for f in only(script.wait(8_000), Failure)] == [Stage.LLM]


def test_a_call_that_ends_forgets_its_tools() -> None:
    script = asking()
    script.do(e.CallerHungUp)
    give_back(script)
    assert script.ignored == "terminated"


def test_a_reply_goes_on_with_the_results_of_its_own_tools_only() -> None:
    script = asking("One moment, I look. ")
    script.synthesise(0)
    script.start(0)
    script.after(500).start_speaking()
    script.after(300).stop_speaking()
    script.transcribed("And Monday?")
    script.report(1, 16_000)
    script.wait(300)
    script.ask_tool(arguments='{"day": "Monday"}')
    script.finish_writing(FinishReason.TOOLS)
    (generate,) = only(give_back(script, "full", call_id=2), Generate)
    assert tools_in(generate.messages) == [("call-2", "full")]
    give_back(script, "nine", call_id=1)
    assert "Generate" not in names(script.log[-1][1].commands)
