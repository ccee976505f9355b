"""Races about where a turn ends and which words are its own."""

from golden.race import race
from golden.race_notation import Story
from golden.races_barge_in import agent_lines, outcomes, released, said
from support.session_script import NO_COST, SPECULATIVE, policy

from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import (
    BargeInOutcome,
    Generate,
    Phase,
    SpeculationEnded,
    SpeculationOutcome,
    Synthesize,
    Transcribe,
    TranscribeKind,
    TurnLatency,
)
from voice_orchestrator.session import commands as c
from voice_orchestrator.session import events as e
from voice_orchestrator.session.deadlines import next_deadline
from voice_orchestrator.session.policy import AwayPolicy, CallLimits


@race(
    3,
    "The caller goes on within the endpointing gap",
    why="A reply was begun in the first pause; it answers half a sentence.",
    point="the first answer dies unheard, its cost is told; one reply, to the whole sentence",
    seen_in="pipecat#2703",
)
def goes_on_within_the_gap() -> tuple[Story, ...]:
    story = Story(policy(turn_taking=SPECULATIVE))
    story.open()
    story.start_speaking()
    story.after(1_000).stop_speaking()
    story.transcribed("I would like")
    story.write("What would you like? ")
    story.synthesise(0)
    story.tell("after 350 ms of silence").after(150).start_speaking()
    story.wait(900)
    story.stop_speaking()
    story.transcribed("I would like an appointment.")
    story.wait(300)
    story.respond("On which day?")
    assert [ended.outcome for ended in story.all(SpeculationEnded)] == [
        SpeculationOutcome.CANCELLED,
        SpeculationOutcome.KEPT,
    ]
    assert story.all(SpeculationEnded)[0].synthesised_ms == 1_000
    assert released(story) == [2]
    assert story.all(Generate)[-1].messages[-1].text == "I would like an appointment."
    return (story,)


@race(
    4,
    "A cough while the agent thinks",
    why="The cough cancelled the reply being written and, having no words, was no turn either: nobody spoke again.",
    point="the reply that was being written is kept and heard; the model is asked once",
    seen_in="livekit/agents#1229",
)
def cough_while_thinking() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().say("Are you open today?")
    story.after(100).start_speaking()
    story.tell("the reply is ready while the cough is being judged").respond_silently()
    story.after(200).stop_speaking()
    story.transcribed("Are you open today?")
    story.wait(400)
    story.start(0)
    story.finish()
    assert len(story.all(Generate)) == 1
    assert released(story) == [1]
    assert outcomes(story) == [BargeInOutcome.PAUSED, BargeInOutcome.REJECTED]
    assert said(story) == ["Are you open today?", "Of course I can."]
    return (story,)


@race(
    13,
    "Two finals for one utterance",
    why="An engine answers twice; the second answer was taken for a turn of its own.",
    point="the first counts, the model is asked once",
    seen_in="livekit/agents-js#1791",
)
def two_finals() -> tuple[Story, ...]:
    story = Story(policy())
    story.open()
    story.start_speaking()
    story.after(1_000).stop_speaking()
    story.transcribed("Are you open today?")
    story.transcribed("Are you open to day.")
    story.wait(300)
    story.tell("and once more when the turn is being answered").transcribed("Are you open?")
    assert [ignored for _, t in story.log if (ignored := t.ignored)] == ["transcript_repeated"] * 2
    (generate,) = story.all(Generate)
    assert generate.messages[-1].text == "Are you open today?"
    return (story,)


@race(
    14,
    "A final of the last turn must not end the next",
    why="The words of a turn that was given up arrive while the caller says something else.",
    point="the open turn stays open and keeps its words; the late ones are refused",
    seen_in="pipecat changelog",
)
def late_final_of_the_last_turn() -> tuple[Story, ...]:
    story = Story(policy())
    story.open()
    story.start_speaking()
    story.after(1_000).stop_speaking()
    story.tell("typing takes the place of what was said").do(e.CallerTyped, text="Are you open?")
    story.respond("Yes, we are.").after(900).finish()
    story.after(200).start_speaking()
    story.tell("the words of the first turn").do(
        e.CallerTranscribed,
        utterance_id=1,
        revision=1,
        kind=TranscribeKind.FINAL,
        text="Is anybody there?",
        mean_log_probability=-0.2,
        no_speech_probability=0.1,
        timing=NO_COST,
    )
    assert story.ignored == "transcript_superseded"
    assert story.state.turn is not None
    assert story.state.turn.speaking
    story.after(1_000).stop_speaking()
    story.transcribed("And tomorrow?")
    story.wait(300)
    assert story.all(Generate)[-1].messages[-1].text == "And tomorrow?"
    assert len(story.all(Generate)) == 2
    return (story,)


@race(
    19,
    "The caller's sound stops in the middle of speech",
    why="Muted or lost, no silence is ever heard: voice activity never ends and the turn with it.",
    point="the turn ends with what there was, the reason is told, the caller is answered",
    seen_in="pipecat#4244",
)
def sound_lost_mid_speech() -> tuple[Story, ...]:
    story = Story(policy())
    story.open()
    story.start_speaking()
    story.after(1_000).do(e.CallerSoundLost, offset_samples=14_400, spoken_at_ms=900)
    story.transcribed("Are you open today?")
    story.wait(500)
    story.tell("what the node makes of the silence later means nothing").stop_speaking()
    assert story.ignored == "no_open_speech"
    assert [failure.reason for failure in story.all(Failure)] == [FailureReason.CALLER_SOUND_LOST]
    assert story.all(Generate)[-1].messages[-1].text == "Are you open today?"
    assert story.where() is Phase.PROCESSING
    return (story,)


@race(
    27,
    "A clock that runs back, a chunk that comes twice",
    why="An edge's clock is not ours and its packets are not unique; times that ran back gave negative waits.",
    point="time never runs back, no stage of a latency is negative, no range is empty, a repeated onset does nothing",
    seen_in="a class of threads on web and telephone transports",
)
def clock_skew_and_duplicates() -> tuple[Story, ...]:
    story = Story(policy())
    story.open().after(3_000)
    story.start_speaking()
    story.tell("the same onset again").start_speaking()
    assert story.ignored == "speech_already_open"
    story.tell("an end before the beginning, told by an event that is older than the last")
    story.feed(e.SpeechEnded(at_ms=2_500, offset_samples=16_000, spoken_at_ms=1_000))
    story.transcribed("Are you open today?")
    story.wait(500)
    story.write("Yes, we are.", end=True)
    story.synthesise(0)
    story.tell("a sample leaves before its segment was there, by the clock").feed(
        e.SegmentStarted(at_ms=100, run_id=1, segment_index=0)
    )
    story.play(0)
    story.tell("more samples than the reply has").report(1, 99_999)
    (request,) = story.all(Transcribe)
    assert request.end_offset_samples > request.start_offset_samples
    (latency,) = story.all(TurnLatency)
    assert latency.total_ms == 560
    assert latency.delivery_ms >= 0
    times = [t.state.now_ms for _, t in story.log]
    assert times == sorted(times)
    assert agent_lines(story) == ["Yes, we are."]
    return (story,)


@race(
    28,
    "A turn with speech and no words",
    why="Speech was heard, the transcript is empty: no turn, no reply, and a caller who waits.",
    point="long enough to be meant it is answered by a line with its reason; a short noise leaves nothing behind",
    seen_in="pipecat#2061",
)
def speech_without_words() -> tuple[Story, ...]:
    long, short = Story(policy(), title="1.5 s of it"), Story(policy(), title="0.4 s of it")
    for story, ms in ((long, 1_500), (short, 400)):
        story.open().after(1_000)
        story.start_speaking()
        story.after(ms).stop_speaking()
        story.transcribed("")
        story.wait(500)
    assert [failure.reason for failure in long.all(Failure)] == [FailureReason.NO_WORDS]
    assert long.all(Synthesize)[0].text == "Sorry, I did not catch that."
    assert short.all(Failure) == []
    assert short.state.turn is None
    assert short.where() is Phase.ACTIVE
    assert len(long.all(Generate)) == len(short.all(Generate)) == 0
    return long, short


@race(
    29,
    "New settings in the middle of speech",
    why="A stream that is set up again while the caller speaks loses the sound in between and the turn's end.",
    point="settings go with a stream only, and are the same on the next one, which is sent the turn's sound again",
    seen_in="pipecat changelog",
)
def settings_mid_speech() -> tuple[Story, ...]:
    story = Story(policy())
    story.open()
    story.start_speaking()
    story.after(500).lose_node()
    story.tell("its end was told by nobody").stop_speaking()
    assert story.ignored == "not_connected"
    story.tell("what there is of it is asked for").after(100).ready()
    assert story.state.turn is not None
    story.tell("the caller still speaks: the same turn goes on").after(60).start_speaking()
    story.after(800).stop_speaking()
    story.transcribed("an appointment for Friday.")
    story.wait(300)
    first, second = [connect.configure for connect in story.all(c.ConnectInference)]
    assert first == second
    assert story.all(Generate)[-1].messages[-1].text == "an appointment for Friday."
    return (story,)


@race(
    30,
    "Minutes of silence",
    why="Buffers and lists that nobody empties while nobody speaks grow until the process ends.",
    point="no event falls due but the prompt and the longest call; after 500 coughs the state is as large as after one",
    seen_in="livekit/agents#2980",
)
def minutes_of_silence() -> tuple[Story, ...]:
    limits = CallLimits(idle_ms=3_600_000, call_ms=3_600_000)
    story = Story(policy(limits=limits, away=AwayPolicy(prompts=("Are you still there?",))))
    story.open()
    story.wait(15_000)
    story.sound(0)
    story.synthesise(0)
    story.start(0)
    story.after(1_000).finish()
    before = len(repr(story.state))
    story.tell("three quarters of an hour of nothing").wait(2_700_000)
    assert next_deadline(story.state) == 3_600_000
    assert len(repr(story.state)) == before
    assert len(story.log) < 12

    coughing = Story(policy(limits=limits))
    coughing.open()
    sizes = []
    for _ in range(500):
        coughing.start_speaking()
        coughing.after(260).stop_speaking()
        coughing.transcribed("")
        coughing.wait(1_000)
        sizes.append(len(repr(coughing.state)))
    assert max(sizes) - sizes[0] < 20  # numbers have more digits
    assert coughing.state.history == ()
    return (story,)
