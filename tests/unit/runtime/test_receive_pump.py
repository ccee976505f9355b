"""What comes from the edge: sound to the node, everything else to the session."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import pytest
from support.keeping_node import KeepingNode
from support.mailbox_events import take_all
from support.memory_edge import MemoryEdge
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract.audio import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES
from voice_contract.messages import (
    Audio,
    AudioFormat,
    CallEnded,
    Dtmf,
    EndCause,
    HangUp,
    Heartbeat,
    Payload,
    PlayoutPosition,
    SessionConfigure,
    Speaker,
    TalkPressed,
    TalkReleased,
    Transcript,
    TranscriptKind,
)
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.inference_link import InferenceLink
from voice_orchestrator.runtime.inference_outbox import CALLER_SOUND_MS_MAX
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.receive_pump import ReceivePump
from voice_orchestrator.runtime.send_pump import SendPump
from voice_orchestrator.runtime.sound_watch import SoundWatch
from voice_orchestrator.session import events
from voice_orchestrator.session.commands import ConnectInference

CONFIGURE = SessionConfigure(caller_format=AudioFormat(), agent_format=None, language="en", voice="", vad=None)
SETTLE_S = 0.0001
PIECE_FRAMES_MAX = 2
"""Frames a message to the node holds, see InferenceOutbox."""

CALLER_FRAMES_MAX = CALLER_SOUND_MS_MAX // FRAME_MS


@dataclass(slots=True, kw_only=True)
class Rig:
    """A pump that runs, between an edge and a node that is connected."""

    clock: SessionClock
    edge: MemoryEdge
    node: KeepingNode
    link: InferenceLink
    mailbox: Mailbox
    media: MediaClock
    pumping: asyncio.Task[None]

    async def hear(self, frames: int, first: int = 0) -> None:
        """The caller's microphone sends frames in real time."""
        for number in range(first, first + frames):
            await elapse(FRAME_MS / 1_000)
            pcm = number.to_bytes(2, "little") * FRAME_SAMPLES
            assert len(pcm) == FRAME_BYTES
            self.edge.say(Audio(pcm=pcm, offset_samples=number * FRAME_SAMPLES))
        await elapse(SETTLE_S)

    def reached_node(self) -> list[int]:
        """Numbers of the frames the node was sent, from its sound; positions and numbers are the same."""
        numbers = []
        for audio in self.node.sound():
            for at in range(0, len(audio.pcm), FRAME_BYTES):
                number = int.from_bytes(audio.pcm[at : at + 2], "little")
                assert audio.offset_samples + at // 2 == number * FRAME_SAMPLES
                numbers.append(number)
        return numbers

    async def told(self) -> list[events.SessionEvent]:
        await elapse(SETTLE_S)
        return await take_all(self.mailbox)


def with_rig(story: Callable[[Rig], Coroutine[None, None, None]], *, connected: bool = True) -> None:
    """Tells a story on virtual time."""

    async def run() -> None:
        clock, mailbox, media, buffer = virtual_clock(), Mailbox(), MediaClock(), OutputBuffer()
        edge, node = MemoryEdge(clock), KeepingNode()
        sender = SendPump(edge, buffer, mailbox, clock)
        link = InferenceLink("test", node, mailbox, clock, media, buffer, sender)
        watch = SoundWatch(mailbox, clock, media)
        pump = ReceivePump(edge, link, mailbox, clock, media, watch)
        pumping, linking = asyncio.create_task(pump.run()), asyncio.create_task(link.run())
        if connected:
            link.connect(ConnectInference(configure=CONFIGURE, delay_ms=0))
            assert isinstance(await mailbox.get(), events.InferenceReady)
        rig = Rig(clock=clock, edge=edge, node=node, link=link, mailbox=mailbox, media=media, pumping=pumping)
        await story(rig)
        for task in (pumping, linking):
            task.cancel()
        await asyncio.wait((pumping, linking))

    run_virtual(run())


@pytest.mark.parametrize(
    ("payload", "run_id", "event"),
    [
        (HangUp(), 0, events.CallerHungUp(at_ms=0)),
        (
            Transcript(speaker=Speaker.CALLER, kind=TranscriptKind.FINAL, text="Hello?"),
            0,
            events.CallerTyped(at_ms=0, text="Hello?"),
        ),
        (Dtmf(key="#"), 0, events.CallerKeyed(at_ms=0, key="#")),
        (PlayoutPosition(played_samples=77), 5, events.PlayoutReported(at_ms=0, run_id=5, played_samples=77)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_edge_says_is_an_event_of_the_session(payload: Payload, run_id: int, event: object) -> None:
    async def story(rig: Rig) -> None:
        rig.edge.say(payload, run_id)
        assert await rig.told() == [event]

    with_rig(story)


def test_the_button_is_pressed_where_the_caller_was_on_the_line() -> None:
    async def story(rig: Rig) -> None:
        await elapse(2.0)
        await rig.hear(25)
        rig.edge.say(TalkPressed(offset_samples=10 * FRAME_SAMPLES))
        rig.edge.say(TalkReleased(offset_samples=20 * FRAME_SAMPLES))
        pressed, released = await rig.told()
        assert isinstance(pressed, events.TalkPressed)
        assert isinstance(released, events.TalkReleased)
        assert (pressed.offset_samples, released.offset_samples) == (10 * FRAME_SAMPLES, 20 * FRAME_SAMPLES)
        assert abs(pressed.spoken_at_ms - 2_200) <= 1
        assert abs(released.spoken_at_ms - 2_400) <= 1

    with_rig(story)


@pytest.mark.parametrize("frames", [0, 5], ids=["before any sound", "beyond the sound"])
def test_the_button_is_never_pressed_in_the_future_nor_before_the_call(frames: int) -> None:
    async def story(rig: Rig) -> None:
        await elapse(2.0)
        await rig.hear(frames)
        rig.edge.say(TalkPressed(offset_samples=1_000 * FRAME_SAMPLES))
        (pressed,) = await rig.told()
        assert isinstance(pressed, events.TalkPressed)
        assert pressed.spoken_at_ms == pressed.at_ms
        assert pressed.at_ms >= 2_000

    with_rig(story)


def test_a_heartbeat_is_no_event() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.say(Heartbeat())
        assert await rig.told() == []

    with_rig(story)


def test_events_carry_the_time_at_which_they_came() -> None:
    async def story(rig: Rig) -> None:
        await elapse(1.25)
        rig.edge.say(HangUp())
        (event,) = await rig.told()
        assert event.at_ms in (1_249, 1_250)

    with_rig(story)


def test_sound_goes_to_the_node_and_not_to_the_session() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(50)
        assert rig.reached_node() == list(range(50))
        assert await rig.told() == []

    with_rig(story)


def test_sound_tells_when_a_sample_was_spoken() -> None:
    async def story(rig: Rig) -> None:
        await elapse(3.0)
        await rig.hear(25)
        assert abs(rig.media.spoken_at_ms(0) - 3_000) <= 1
        assert abs(rig.media.spoken_at_ms(25 * FRAME_SAMPLES) - 3_500) <= 1

    with_rig(story)


def test_a_node_that_is_slow_misses_the_oldest_sound_and_positions_stay_true() -> None:
    async def story(rig: Rig) -> None:
        rig.node.taking.clear()
        await rig.hear(100)
        rig.node.taking.set()
        await rig.hear(10, first=100)
        numbers = rig.reached_node()
        # What waits is dropped in pieces of at most two frames, and one piece was on its way.
        first = numbers[-CALLER_FRAMES_MAX - 10 + PIECE_FRAMES_MAX]
        assert numbers[numbers.index(first) :] == list(range(first, numbers[-1] + 1))
        assert first <= 100 - CALLER_FRAMES_MAX + PIECE_FRAMES_MAX
        assert len(numbers) <= CALLER_FRAMES_MAX + 10 + PIECE_FRAMES_MAX

    with_rig(story)


def test_sound_that_a_slow_node_missed_is_counted() -> None:
    async def story(rig: Rig) -> None:
        rig.node.taking.clear()
        await rig.hear(CALLER_FRAMES_MAX + 15)
        rig.node.beat_s = 60.0
        await elapse(5.0)
        assert [type(event).__name__ for event in await rig.told()] == ["InferenceLost"]
        assert abs(rig.link.dropped_samples / FRAME_SAMPLES - 15) <= PIECE_FRAMES_MAX

    with_rig(story)


def test_sound_that_came_while_there_was_no_node_is_sent_to_the_next_one_and_then_the_core_is_told() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(20)
        rig.link.connect(ConnectInference(configure=CONFIGURE, delay_ms=0))
        await rig.hear(5, first=20)
        await rig.link.close()
        assert rig.reached_node() == list(range(25))
        (ready,) = await rig.told()
        assert ready.at_ms > 20 * FRAME_MS

    with_rig(story, connected=False)


def test_a_next_node_is_sent_the_open_turn_again_and_nothing_before_it() -> None:
    async def story(rig: Rig) -> None:
        await rig.hear(150)
        rig.link.keep_sound_from(150 * FRAME_SAMPLES)
        await rig.hear(50, first=150)
        before = len(rig.reached_node())
        rig.node.beat_s = 60.0
        await elapse(3.0)
        assert [type(event).__name__ for event in await rig.told()] == ["InferenceLost"]
        rig.node.beat_s = 0.25
        rig.link.connect(ConnectInference(configure=CONFIGURE, delay_ms=0))
        await elapse(1.0)
        assert rig.reached_node()[before:] == list(range(150, 200))

    with_rig(story)


@pytest.mark.parametrize("speaking", [False, True])
def test_the_node_is_told_at_least_every_half_second_that_the_session_lives(speaking: bool) -> None:
    async def story(rig: Rig) -> None:
        beats = 0
        for second in range(5):
            before = len(rig.node.sent)
            if speaking:
                await rig.hear(50, first=50 * second)
            else:
                await elapse(1.0)
            came = rig.node.sent[before:]
            assert len(came) >= 3
            beats += sum(isinstance(payload, Heartbeat) for payload in came)
        assert (beats == 0) is speaking

    with_rig(story)


def test_an_edge_that_leaves_is_reported_once_and_the_pump_ends() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.gone = "it hung"
        rig.edge.leave()
        assert await rig.told() == [events.EdgeLost(at_ms=0, detail="it hung")]
        await elapse(1.0)
        assert rig.pumping.done()
        assert await rig.told() == []

    with_rig(story)


def test_what_came_before_an_edge_left_is_still_told() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.say(HangUp())
        rig.edge.leave()
        assert [type(event).__name__ for event in await rig.told()] == ["CallerHungUp", "EdgeLost"]

    with_rig(story)


def test_an_edge_that_sends_what_is_not_its_to_send_is_lost() -> None:
    async def story(rig: Rig) -> None:
        rig.edge.say(CallEnded(cause=EndCause.IDLE))
        (lost,) = await rig.told()
        assert isinstance(lost, events.EdgeLost)
        assert "CallEnded" in lost.detail

    with_rig(story)
