"""Races between the caller's voice and the agent's: who may be heard, and what was."""

from golden.race import race
from golden.race_notation import Story
from support.session_script import NO_COST, SPECULATIVE, only, policy

from voice_contract.messages import (
    BargeIn,
    BargeInCause,
    BargeInOutcome,
    ChatRole,
    Generate,
    Phase,
    RunHeard,
    Transcript,
)
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.policy import InterruptionPolicy

LONG = "We are open from nine to five. On Saturdays we close at noon."


def talking(text: str = "One two three four five six seven eight.") -> Story:
    """The agent has been heard for 500 ms."""
    story = Story(policy())
    story.open().say("Can you help me?").respond(text).after(500)
    return story


def outcomes(story: Story) -> list[BargeInOutcome]:
    return [decision.outcome for decision in story.all(BargeIn)]


def said(story: Story) -> list[str]:
    return [entry.text for entry in story.state.history]


def agent_lines(story: Story) -> list[str]:
    return [entry.text for entry in story.state.history if entry.role is ChatRole.ASSISTANT]


def released(story: Story) -> list[int]:
    return [command.run_id for command in story.all(c.ReleaseRun)]


@race(
    1,
    "Barge-in before the first audio",
    why="The model writes already when the caller goes on; sound that arrives now must not be played over them.",
    point="run 1 is never released; the reply that is heard answers the whole sentence; one entry of the caller",
    seen_in="pipecat#3986, livekit/agents#5509",
)
def barge_in_before_first_audio() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().say("I would like")
    story.write("What would you like? ")
    story.tell("the caller goes on: the reply is held, sound of it that comes now stays silent").start_speaking()
    story.sound(0)
    story.tell("so long a speech is no cough: the reply is given up").wait(1_000)
    story.stop_speaking()
    story.transcribed("I would like an appointment.")
    story.wait(300)
    story.respond("On which day?").finish()
    assert released(story) == [2]
    assert story.all(Generate)[-1].messages[-1].text == "I would like an appointment."
    assert said(story) == ["I would like an appointment.", "On which day?"]
    return (story,)


@race(
    2,
    "Barge-in after synthesis, before playback",
    why="All sound of the reply is there and released, its first sample has not left: nobody heard it.",
    point="the caller's words are merged into one turn, the unheard reply leaves no trace in the history",
    seen_in="pipecat#4151",
)
def barge_in_before_playback() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().say("I would like")
    story.write("What would you like?", end=True)
    story.sound(0)
    story.synthesise(0)
    story.tell("nothing has left for the edge yet").start_speaking()
    story.report(1, 0)
    story.wait(1_000)
    story.stop_speaking()
    story.transcribed("I would like an appointment.")
    story.wait(300)
    assert [d.cause for d in story.all(BargeIn)] == [BargeInCause.CONTINUED]
    assert agent_lines(story) == []
    assert [m.text for m in story.all(Generate)[-1].messages[1:]] == ["I would like an appointment."]
    return (story,)


@race(
    5,
    "False interruption, resumption, then a real one",
    why="State left over from a rejected pause makes the next one stick or pass unheard.",
    point="paused, rejected, paused, confirmed; resumed once; the history ends at the last word that was heard",
    seen_in="livekit/agents#4039, livekit/agents#5038",
)
def false_interruption_then_a_real_one() -> tuple[Story, ...]:
    story = talking()
    story.tell("a cough").start_speaking()
    story.after(260).stop_speaking()
    story.transcribed("")
    story.tell("the real one").after(300).start_speaking()
    story.after(300).stop_speaking()
    story.transcribed("Stop, please.")
    story.report(1, 12_000)
    assert outcomes(story) == [
        BargeInOutcome.PAUSED,
        BargeInOutcome.REJECTED,
        BargeInOutcome.PAUSED,
        BargeInOutcome.CONFIRMED,
    ]
    assert len(story.all(c.ResumeRun)) == 1
    assert [flush.run_id for flush in story.all(c.FlushRun)] == [1]
    assert said(story) == ["Can you help me?", "One two three four five six"]
    return (story,)


@race(
    6,
    "Pause before the first frame of a piece has left",
    why="The pause overtakes the news that a piece began; its words must be told and remembered all the same.",
    point="both pieces are told to the edge once and the whole reply is in the history",
    seen_in="livekit/agents#5038",
)
def pause_before_the_first_frame() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().say("When are you open?")
    story.write(LONG, end=True)
    story.synthesise(0)
    story.synthesise(1)
    story.start(0)
    story.after(900).play(0)
    story.tell("the second piece is next to leave").start_speaking()
    story.start(1)
    story.after(260).stop_speaking()
    story.transcribed("")
    story.after(1_000).play(1)
    story.report(1, 32_000)
    agent = [words.text for words in story.all(Transcript) if words.segment_index or words.text.startswith("We")]
    assert agent == ["We are open from nine to five.", "On Saturdays we close at noon."]
    assert agent_lines(story) == [LONG]
    assert not story.state.history[-1].interrupted
    return (story,)


@race(
    7,
    "The flush of one reply must not eat the next",
    why="A flush without a name drops whatever plays when it arrives, the first words of the new reply.",
    point="a flush names its run; what comes late of run 1 does nothing to run 2, neither playing nor flushed",
    seen_in="livekit/agents-js#2132",
)
def flush_names_its_run() -> tuple[Story, ...]:
    story = talking()
    story.start_speaking()
    story.wait(440)
    story.transcribed("No, on Friday", final=False)
    story.wait(300)
    story.stop_speaking()
    story.transcribed("No, on Friday.")
    story.tell("no report comes; the next reply waits for it no longer than its deadline").wait(600)
    story.respond("Friday it is.")
    story.tell("what belongs to the old reply, while the new one plays").report(1, 8_000)
    story.do(e.SegmentPlayed, run_id=1, segment_index=0)
    assert [ignored for _, t in story.log if (ignored := t.ignored)] == ["run_ended"] * 2
    assert story.state.run is not None
    assert not story.state.run.segments[0].played
    story.tell("the new one is interrupted too; a report of the old one is not taken for its own")
    story.after(500).start_speaking()
    story.after(300).stop_speaking()
    story.transcribed("Fine.")
    story.report(1, 0)
    story.report(2, 16_000)
    assert [flush.run_id for flush in story.all(c.FlushRun)] == [1, 2]
    assert agent_lines(story) == ["Friday it is."]
    assert not story.state.history[-1].interrupted
    return (story,)


@race(
    8,
    "What was interrupted stands before what interrupted it",
    why="The edge reports after the caller's new words; in order of arrival the history is turned round.",
    point="the history reads caller, agent (interrupted), caller, and the model is asked with it in that order",
    seen_in="livekit/agents#7108",
)
def interrupted_words_come_first() -> tuple[Story, ...]:
    story = talking()
    story.start_speaking()
    story.after(300).stop_speaking()
    story.transcribed("Wait, not Friday.")
    story.after(400).wait(0)
    story.tell("the turn could be committed, but what was heard is not known yet").report(1, 6_000)
    (generate,) = only(story.log[-1][1].commands, Generate)
    assert [m.text for m in generate.messages[1:]] == ["Can you help me?", "One two three", "Wait, not Friday."]
    story.respond("All right.").finish()
    assert said(story) == ["Can you help me?", "One two three", "Wait, not Friday.", "All right."]
    return (story,)


@race(
    9,
    "Interrupted twice, remembered once",
    why="Speech, a key and a repeated report end the same reply; each wrote its own entry.",
    point="one flush, one report to the edge of what was heard, one entry in the history",
    seen_in="livekit/agents#2094",
)
def interrupted_twice() -> tuple[Story, ...]:
    story = talking()
    story.start_speaking()
    story.after(300).stop_speaking()
    story.transcribed("Stop.")
    story.tell("again, before the edge has reported").after(50).start_speaking()
    story.do(e.CallerTyped, text="Please stop.")
    assert len(story.all(Generate)) == 1
    story.report(1, 4_000)
    assert story.all(Generate)[-1].messages[-2].text == "One two"
    story.report(1, 16_000)
    assert len(story.all(c.FlushRun)) == 1
    assert story.all(RunHeard) == [RunHeard(text="One two", interrupted=True)]
    assert agent_lines(story) == ["One two"]
    return (story,)


@race(
    10,
    "Nothing was played",
    why="The reply had left for the edge, which had played none of it: the model must not believe it said something.",
    point="no word of the agent in the history or in the next prompt",
    seen_in="livekit/agents-js#1269",
)
def nothing_was_played() -> tuple[Story, ...]:
    story = talking()
    story.start_speaking()
    story.wait(1_440)
    story.report(1, 0)
    story.stop_speaking()
    story.transcribed("And tomorrow?")
    story.wait(500)
    assert agent_lines(story) == []
    assert story.all(RunHeard) == [RunHeard(text="", interrupted=True)]
    assert [m.role for m in story.all(Generate)[-1].messages] == [ChatRole.SYSTEM, ChatRole.USER]
    return (story,)


@race(
    11,
    "Late word times of a reply that was cleared",
    why="Times of words come after the interruption and were counted for the reply that came next.",
    point="what comes of the cleared run is refused; the heard words are those of the times known at the flush",
    seen_in="pipecat#4380, pipecat#4145",
)
def late_word_times() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().say("When are you open?")
    story.write(LONG, end=True)
    story.synthesise(0, 16_000, word_ends=(2_000, 3_000, 5_000, 7_000, 10_000, 11_500, 16_000))
    story.start(0)
    story.after(700).start_speaking()
    story.after(300).stop_speaking()
    story.transcribed("Thank you, that is enough.")
    story.tell("the second piece is synthesised although it was cancelled")
    story.do(e.SegmentSounded, run_id=1, segment_index=1)
    story.do(
        e.SegmentSynthesised,
        run_id=1,
        segment_index=1,
        total_samples=8_000,
        word_ends=(1_000, 2_000),
        timing=NO_COST,
    )
    assert story.ignored == "run_ended"
    story.report(1, 9_500)
    assert agent_lines(story) == ["We are open from nine"]
    return (story,)


@race(
    20,
    "A backchannel does not train endpointing",
    why="Counting 'mm-hm' over the agent as a turn taught the endpointing that this caller pauses briefly.",
    point="the same silence is waited for before and after; nothing of the backchannel stays in the state",
    seen_in="livekit/agents#7057",
)
def backchannel_trains_nothing() -> tuple[Story, ...]:
    story = Story(policy())
    waits = []
    story.open()
    for number, text in enumerate(["Can you help me?", "And tomorrow?"]):
        story.start_speaking()
        story.after(1_000).stop_speaking()
        story.transcribed(text)
        before = story.now_ms
        story.wait(500)
        committed = [at.at_ms for at, t in story.log if only(t.commands, Generate)]
        waits.append(committed[-1] - before)
        story.respond("Of course I can.")
        if not number:
            story.tell("mm-hm").after(300).start_speaking()
            story.after(260).stop_speaking()
            story.transcribed("Mm-hm.")
            assert story.all(BargeIn)[-1].cause is BargeInCause.BACKCHANNEL
            assert story.state.turn is None
            assert story.state.watch is None
            story.after(800).finish()
    assert waits == [300, 300]
    return (story,)


@race(
    26,
    "The greeting's own echo",
    why="The speaker's sound reaches the microphone; the agent hears itself and falls silent.",
    point="speech at the start of a line does not pause it, the agent's own words do not interrupt, others do",
    seen_in="pipecat#1771",
)
def greeting_echo() -> tuple[Story, ...]:
    stories = []
    for title, heard in (("its own words", "How can I help"), ("words of the caller", "Hello, is this the clinic?")):
        story = Story(policy(greeting="Good morning. How can I help?", interruptions=InterruptionPolicy()), title=title)
        story.open()
        story.synthesise(0)
        story.synthesise(1)
        story.start(0)
        story.after(200).start_speaking()
        assert story.all(c.PauseRun) == []
        story.after(260).stop_speaking()
        story.transcribed(heard)
        stories.append(story)
    echo, caller = stories
    assert [(d.outcome, d.cause) for d in echo.all(BargeIn)] == [(BargeInOutcome.REJECTED, BargeInCause.ECHO)]
    assert [(d.outcome, d.cause) for d in caller.all(BargeIn)] == [(BargeInOutcome.CONFIRMED, BargeInCause.WORDS)]
    echo.after(1_500).finish()
    assert said(echo) == ["Good morning. How can I help?"]
    assert echo.where() is Phase.ACTIVE
    return echo, caller


@race(
    12,
    "A reply begun early is ready exactly when the words change",
    why="Both come in the same millisecond, in either order; the reply to the old words was played.",
    point="run 1 is never released in either order; one reply is heard, to the new words",
    seen_in="livekit/agents#4219, livekit/agents-js#2059",
)
def early_reply_meets_new_words() -> tuple[Story, ...]:
    stories = []
    for title in ("the sound first", "the words first"):
        story = Story(policy(turn_taking=SPECULATIVE), title=title)
        story.open()
        story.start_speaking()
        story.after(800).stop_speaking()
        story.transcribed("A table for two.")
        story.write("For two, certainly.", end=True)
        story.tell("the caller adds a word, too short to give the reply up").after(150).start_speaking()
        story.after(250).stop_speaking()
        if title == "the sound first":
            story.synthesise(0)
            story.transcribed("A table for two children.")
        else:
            story.transcribed("A table for two children.")
            story.do(e.SegmentSounded, run_id=1, segment_index=0)
        story.wait(300)
        story.respond("For two children, certainly.")
        assert released(story) == [2]
        assert story.all(Generate)[-1].messages[-1].text == "A table for two children."
        stories.append(story)
    return tuple(stories)
