"""Races about beginnings, ends, nodes that go, and tools that take their time."""

from golden.race import race
from golden.race_notation import Story
from golden.races_barge_in import agent_lines, released, said, talking
from support.session_script import SLOTS, names, policy

from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import ChatRole, EndCause, FinishReason, Generate, Phase, Synthesize
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e


def looking() -> Story:
    """The agent says that it looks, and a tool is at work."""
    story = Story(policy(tools=SLOTS))
    story.open().say("Is Friday free?")
    story.write("Let me look that up for you. ")
    story.ask_tool()
    story.finish_writing(FinishReason.TOOLS)
    story.synthesise(0)
    story.start(0)
    story.after(500)
    return story


def interrupt(story: Story, words: str) -> None:
    story.start_speaking()
    story.after(300).stop_speaking()
    story.transcribed(words)


@race(
    15,
    "A tool is done while the caller interrupts",
    why="The result went with the reply that asked for it; the next reply called the tool again, and booked twice.",
    point="the tool is called once, its result is in the next prompt once, behind the words that were heard",
    seen_in="livekit/agents#3702",
)
def tool_done_while_interrupted() -> tuple[Story, ...]:
    stories = []
    for title in ("before the edge reports", "after the edge has reported"):
        story = looking()
        story.title = title
        interrupt(story, "And Monday?")
        if title == "before the edge reports":
            story.do(e.ToolReturned, call_id=1, result="nine, eleven")
            story.do(e.ToolReturned, call_id=1, result="none")
            assert story.ignored == "tool_not_running"
            story.report(1, 8_000)
        else:
            story.report(1, 8_000)
            story.do(e.ToolReturned, call_id=1, result="nine, eleven")
        story.tell("a second answer is refused").do(e.ToolReturned, call_id=1, result="none")
        assert story.ignored == "tool_not_running"
        story.wait(500)
        assert [call.call_id for call in story.all(c.CallTool)] == [1]
        messages = story.all(Generate)[-1].messages
        assert [m.text for m in messages if m.role is ChatRole.TOOL] == ["nine, eleven"]
        assert messages[-1].text == "And Monday?"
        stories.append(story)
    return tuple(stories)


@race(
    16,
    "A reply that speaks and waits for a tool is interrupted",
    why="The reply waited for the tool, the tool for the end of speech, the interruption for the reply: nobody moved.",
    point="the caller's turn is answered although the tool never returns; the call is not held up by it",
    seen_in="livekit/agents#4413",
)
def speaking_tool_interrupted() -> tuple[Story, ...]:
    story = looking()
    interrupt(story, "Never mind.")
    story.report(1, 8_000)
    story.wait(500)
    assert story.where() is Phase.PROCESSING
    story.respond("As you like.").after(900).finish()
    assert story.where() is Phase.ACTIVE
    story.tell("its deadline is told; what it found is not waited for").wait(9_000)
    assert [failure.reason for failure in story.all(Failure)] == [FailureReason.DEADLINE_EXCEEDED]
    assert story.state.tools == ()
    assert len(story.all(c.CallTool)) == 1
    return (story,)


@race(
    17,
    "The end before the beginning",
    why="A cancel overtakes the start; what was to be stopped starts afterwards and is owned by nobody.",
    point="the call ends once, and neither its opening nor a node that gets ready late brings anything forth",
    seen_in="pipecat#4455",
)
def cancelled_before_start() -> tuple[Story, ...]:
    unopened, connecting = Story(policy(greeting="Hello."), title="not open"), Story(policy(greeting="Hello."))
    connecting.title = "open, no node yet"
    connecting.do(e.CallOpened, listens=True, speaks=True)
    for story in (unopened, connecting):
        story.do(e.CallerHungUp)
        story.do(e.CallOpened, listens=True, speaks=True)
        story.ready()
        assert [end.cause for end in story.all(c.EndCall)] == [EndCause.CALLER_HUNG_UP]
        assert story.all(Synthesize) == []
        assert [t.ignored for _, t in story.log[-2:]] == ["terminated"] * 2
    return unopened, connecting


@race(
    18,
    "The end meets an interruption",
    why="An interruption clears what is queued, and the order to end the call with it: it went on for ever.",
    point="the call ends in the step that asks for it, whatever the interruption was waiting for",
    seen_in="pipecat#3542",
)
def end_during_an_interruption() -> tuple[Story, ...]:
    paused, flushed = talking(), talking()
    paused.title, flushed.title = "while the agent is paused", "while the edge has not reported"
    paused.start_speaking()
    interrupt(flushed, "Stop it.")
    for story in (paused, flushed):
        story.do(e.ShutdownRequested)
        assert [end.cause for end in story.all(c.EndCall)] == [EndCause.SHUTDOWN]
        assert len(story.all(c.FlushRun)) == 1
        story.report(1, 8_000)
        story.wait(10_000)
        assert story.where() is Phase.TERMINATED
        assert len(story.all(c.EndCall)) == 1
    return paused, flushed


@race(
    21,
    "Silence with a status of success",
    why="The engine says it is done and gave no sound; the call waited for the sound.",
    point="the reply fails with its reason at once and the call goes on",
    seen_in="a class of threads on speech services",
)
def empty_audio() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().say("Are you open today?")
    story.write("Yes, we are.", end=True)
    story.synthesise(0, samples=0)
    (failure,) = story.all(Failure)
    assert (failure.stage, failure.reason) == (Stage.TTS, FailureReason.EMPTY_RESULT)
    assert story.where() is Phase.ACTIVE
    assert agent_lines(story) == []
    story.say("Hello?").respond("Hello there.")
    assert story.where() is Phase.RESPONDING
    return (story,)


@race(
    22,
    "Shutdown during a call",
    why="The operator ends the service while a reply is heard; tasks that were cancelled wrote to streams closed.",
    point="the reply is flushed, the call ends once with its cause, and nothing that comes later does anything",
    seen_in="pipecat#3929",
)
def shutdown_during_a_call() -> tuple[Story, ...]:
    story = talking()
    commands = story.do(e.ShutdownRequested)
    assert names(commands)[0] == "FlushRun"
    assert isinstance(commands[-1], c.EndCall)
    story.tell("the same moment, other causes").do(e.CallerHungUp)
    story.do(e.EdgeLost, detail="reset")
    story.do(e.SegmentPlayed, run_id=1, segment_index=0)
    assert [end.cause for end in story.all(c.EndCall)] == [EndCause.SHUTDOWN]
    assert said(story)[0] == "Can you help me?"
    return (story,)


@race(
    23,
    "Two admissions in one tick",
    why="The same call, or the same node, is taken twice in one moment: two agents greet one caller.",
    point="the second is refused; one connection, one greeting",
    seen_in="livekit/agents#4884",
)
def two_admissions() -> tuple[Story, ...]:
    story = Story(policy(greeting="Good morning."))
    story.do(e.CallOpened, listens=True, speaks=True)
    story.do(e.CallOpened, listens=True, speaks=True)
    story.ready()
    story.ready()
    assert len(story.all(c.ConnectInference)) == 1
    assert [words.text for words in story.all(Synthesize)] == ["Good morning."]
    assert [ignored for _, t in story.log if (ignored := t.ignored)] == ["already_open", "already_connected"]
    return (story,)


@race(
    24,
    "The model's thread dies",
    why="The worker is gone, its slot stays taken: the call waits for words that nobody writes.",
    point="a failed reply is replaced by a line; a lost node by the next one, which answers the same turn",
    seen_in="huggingface/speech-to-speech, stuck pipelines",
)
def model_dies() -> tuple[Story, ...]:
    failed, lost = Story(policy(), title="the stage says so"), Story(policy(), title="the node is gone")
    for story in (failed, lost):
        story.open().say("Are you open today?")
        story.write("Yes")
    failed.fail(Stage.LLM)
    assert failed.all(Synthesize)[0].text == "Sorry, I lost my train of thought."
    lost.lose_node()
    lost.do(e.ReplyText, run_id=1, text=", we are. ")
    assert lost.ignored == "run_ended"
    lost.after(100).ready()
    assert len(lost.all(Generate)) == 2
    lost.respond("Yes, we are.").after(900).finish()
    assert said(lost) == ["Are you open today?", "Yes, we are."]
    assert released(lost) == [2]
    return failed, lost


@race(
    25,
    "The caller hangs up while the agent speaks",
    why="The edge is gone in the middle of a write; the error of the write hid why the call had ended.",
    point="the call ends once as what it was, and news of sound that had left comes to nothing",
    seen_in="pipecat changelog",
)
def hang_up_while_sending() -> tuple[Story, ...]:
    hung, lost = talking(), talking()
    hung.title, lost.title = "the caller hangs up", "the edge's stream breaks"
    hung.do(e.CallerHungUp)
    lost.do(e.EdgeLost, detail="connection reset")
    for story, cause in ((hung, EndCause.CALLER_HUNG_UP), (lost, EndCause.EDGE_LOST)):
        story.do(e.SegmentPlayed, run_id=1, segment_index=0)
        story.do(e.EdgeLost, detail="write on a closed stream")
        assert [end.cause for end in story.all(c.EndCall)] == [cause]
        assert [t.ignored for _, t in story.log[-2:]] == ["terminated"] * 2
    return hung, lost
