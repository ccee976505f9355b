"""What the next node is sent of the sound a lost one had: the open turn, and nothing of a turn that is over."""

import asyncio
from collections.abc import Callable

import pytest
from support.memory_edge import MemoryEdge
from support.scripted_inference import ScriptedInference, ScriptedStream
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract import messages as m
from voice_contract.audio import FRAME_SAMPLES
from voice_orchestrator.runtime.inference_link import InferenceLink
from voice_orchestrator.runtime.mailbox import Mailbox
from voice_orchestrator.runtime.media_clock import MediaClock
from voice_orchestrator.runtime.output_buffer import OutputBuffer
from voice_orchestrator.runtime.send_pump import SendPump
from voice_orchestrator.session.commands import ConnectInference

CONFIGURE = m.SessionConfigure(
    caller_format=m.AudioFormat(), agent_format=m.AudioFormat(), language="en", voice="", vad=None
)
CONNECT = ConnectInference(configure=CONFIGURE, delay_ms=0)
FRAMES = 50
SPOKEN_FRAMES = 30
"""The caller spoke so long, then was silent."""


class KeepingStream(ScriptedStream):
    """Keeps where the sound it was sent lies."""

    def __init__(self) -> None:
        super().__init__("test", CONFIGURE, ScriptedInference().behaviour)
        self.heard: list[int] = []

    async def send(self, payload: m.Payload, run_id: int = 0) -> None:
        if isinstance(payload, m.Audio):
            self.heard.append(payload.offset_samples // FRAME_SAMPLES)


class KeepingInference:
    """Implements InferenceConnector."""

    def __init__(self) -> None:
        self.streams: list[KeepingStream] = []

    async def open(self, session_id: str, configure: m.SessionConfigure) -> KeepingStream:
        del session_id, configure
        self.streams.append(KeepingStream())
        return self.streams[-1]


def heard_by_the_next(before_the_loss: Callable[[InferenceLink], None]) -> list[int]:
    """Numbers of the frames the second node is sent, when the caller spoke and the first one had noticed the end."""

    async def story() -> list[int]:
        clock, mailbox, media, buffer = virtual_clock(), Mailbox(), MediaClock(), OutputBuffer()
        inference = KeepingInference()
        pump = SendPump(MemoryEdge(clock), buffer, mailbox, clock)
        link = InferenceLink("test", inference, mailbox, clock, media, buffer, pump)
        linking = asyncio.create_task(link.run())
        link.connect(CONNECT)
        await elapse(0.01)
        for number in range(FRAMES):
            link.send_audio(m.Audio(pcm=bytes(2 * FRAME_SAMPLES), offset_samples=number * FRAME_SAMPLES))
        end = SPOKEN_FRAMES * FRAME_SAMPLES
        inference.streams[0].say(m.SpeechEnded(end_offset_samples=end, detected_offset_samples=end))
        await elapse(0.01)
        before_the_loss(link)
        inference.streams[0].lose()
        await elapse(0.01)
        link.connect(CONNECT)
        await elapse(1.0)
        linking.cancel()
        await asyncio.wait((linking,))
        return inference.streams[1].heard

    return run_virtual(story())


def test_speech_that_was_answered_is_not_sent_again() -> None:
    assert heard_by_the_next(lambda link: link.keep_sound_from(None)) == list(range(SPOKEN_FRAMES, FRAMES))


@pytest.mark.parametrize("onset_frame", [26, 29])
def test_an_open_turn_is_sent_from_before_its_beginning_though_it_paused(onset_frame: int) -> None:
    sent = heard_by_the_next(lambda link: link.keep_sound_from(onset_frame * FRAME_SAMPLES))
    assert sent[0] <= onset_frame
    assert sent[-1] == FRAMES - 1


def test_what_lies_before_an_open_turn_and_was_another_one_is_not_sent() -> None:
    sent = heard_by_the_next(lambda link: link.keep_sound_from((SPOKEN_FRAMES + 5) * FRAME_SAMPLES))
    assert sent == list(range(SPOKEN_FRAMES, FRAMES))
