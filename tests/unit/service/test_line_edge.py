"""An edge's format and pace, turned into the runtime's, and what is refused."""

from dataclasses import dataclass, field

import pytest
from support.virtual_time import elapse, run_virtual, virtual_clock

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason
from voice_contract.messages import AudioEncoding, AudioFormat, Event, Payload
from voice_orchestrator.runtime.ports import EdgeGoneError
from voice_orchestrator.service.line_edge import EVENTS_AHEAD, LineEdge

MULAW = AudioFormat(encoding=AudioEncoding.MULAW, sample_rate_hz=8_000)
PCM8 = AudioFormat(encoding=AudioEncoding.S16LE, sample_rate_hz=8_000)


@dataclass(slots=True)
class Wire:
    """Implements EdgePort: what the edge sends is put in, what it is sent is kept."""

    coming: list[Event] = field(default_factory=list)
    sent: list[tuple[Payload, int]] = field(default_factory=list)
    closed: bool = False

    def put(self, payload: Payload, run_id: int = 0) -> None:
        sequence = len(self.coming) + 1
        self.coming.append(
            Event(session_id="s", sequence=sequence, sender_monotonic_us=0, payload=payload, run_id=run_id)
        )

    async def send(self, payload: Payload, run_id: int = 0) -> None:
        self.sent.append((payload, run_id))

    async def receive(self) -> Event:
        if not self.coming:
            raise EdgeGoneError("nothing more")
        return self.coming.pop(0)

    def close(self) -> None:
        self.closed = True


def opened(format_: AudioFormat) -> m.CallOpen:
    return m.CallOpen(profile="p", caller_format=format_, agent_format=format_)


async def everything(edge: LineEdge) -> list[Event]:
    events = []
    while True:
        try:
            events.append(await edge.receive())
        except EdgeGoneError:
            return events


def sounds(events: list[Event]) -> list[m.Audio]:
    return [event.payload for event in events if isinstance(event.payload, m.Audio)]


def test_long_frames_are_cut_into_frames_of_20_ms_and_keep_their_positions() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(opened(AudioFormat()))
        wire.put(m.Audio(pcm=bytes(2 * 1_000), offset_samples=160))
        wire.put(m.Audio(pcm=bytes(2 * 80), offset_samples=1_160))
        heard = sounds(await everything(edge))
        assert [len(each.pcm) // 2 for each in heard] == [320, 320, 320, 40, 80]
        assert [each.offset_samples for each in heard] == [160, 480, 800, 1_120, 1_160]

    run_virtual(story())


@pytest.mark.parametrize("format_", [MULAW, PCM8])
def test_sound_of_a_telephone_comes_in_at_16_khz_at_its_place(format_: AudioFormat) -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(opened(format_))
        size = 1 if format_ is MULAW else 2
        for number in range(10):
            wire.put(m.Audio(pcm=bytes(160 * size), offset_samples=number * 160))
        heard = sounds(await everything(edge))
        assert heard[0].offset_samples == 0
        ends = [each.offset_samples + len(each.pcm) // 2 for each in heard]
        assert ends[:-1] == [each.offset_samples for each in heard[1:]]
        assert 3_200 - 60 <= ends[-1] <= 3_200

    run_virtual(story())


def test_a_gap_in_the_callers_sound_stays_a_gap() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(opened(MULAW))
        wire.put(m.Audio(pcm=bytes(160), offset_samples=0))
        wire.put(m.Audio(pcm=bytes(160), offset_samples=800))
        heard = sounds(await everything(edge))
        assert heard[-1].offset_samples == 1_600
        assert sum(len(each.pcm) // 2 for each in heard[:-1]) == 320

    run_virtual(story())


@pytest.mark.parametrize(
    ("format_", "sound", "says"),
    [
        (AudioFormat(), m.Audio(pcm=b"abc", offset_samples=0), "middle of a sample"),
        (AudioFormat(), m.Audio(pcm=bytes(6_402), offset_samples=0), "200 ms"),
        (MULAW, m.Audio(pcm=bytes(1_601), offset_samples=0), "200 ms"),
        (None, m.Audio(pcm=bytes(2), offset_samples=0), "without caller sound"),
    ],
)
def test_sound_that_breaks_the_contract_ends_the_stream_with_a_reason(
    format_: AudioFormat | None, sound: m.Audio, says: str
) -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(m.CallOpen(profile="p", caller_format=format_, agent_format=None))
        wire.put(sound)
        await edge.receive()
        with pytest.raises(EdgeGoneError, match=says):
            await edge.receive()
        (told, _) = wire.sent[0]
        assert isinstance(told, Failure)
        assert told.reason is FailureReason.INVALID_MESSAGE

    run_virtual(story())


def test_sound_that_goes_back_in_time_is_refused() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(opened(AudioFormat()))
        wire.put(m.Audio(pcm=bytes(640), offset_samples=320))
        wire.put(m.Audio(pcm=bytes(640), offset_samples=320))
        await edge.receive()
        await edge.receive()
        with pytest.raises(EdgeGoneError, match="lies before 640"):
            await edge.receive()

    run_virtual(story())


def test_sound_faster_than_it_is_spoken_is_refused_and_sound_in_time_is_not() -> None:
    async def story(pause_s: float) -> int:
        wire, clock = Wire(), virtual_clock()
        edge = LineEdge(wire, clock)
        wire.put(opened(AudioFormat()))
        for number in range(200):
            wire.put(m.Audio(pcm=bytes(640), offset_samples=number * 320))
        taken = 0
        while True:
            try:
                await edge.receive()
            except EdgeGoneError as gone:
                assert str(gone) == "nothing more" if pause_s else "faster than it can have been spoken" in str(gone)
                return taken
            await elapse(pause_s)
            taken += 1

    assert run_virtual(story(0.0)) == 101
    assert run_virtual(story(0.02)) == 201


def test_messages_without_measure_are_refused() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        for _ in range(EVENTS_AHEAD + 1):
            wire.put(m.Heartbeat())
        assert len(await everything(edge)) == EVENTS_AHEAD
        told = wire.sent[0][0]
        assert isinstance(told, Failure)
        assert told.reason is FailureReason.RATE_EXCEEDED

    run_virtual(story())


def test_the_agents_sound_goes_out_in_the_edges_samples_and_positions_come_back_in_ours() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(opened(MULAW))
        await edge.receive()
        for number in range(3):
            await edge.send(m.Audio(pcm=bytes(640), offset_samples=number * 320, segment_index=1), 1)
        await edge.send(m.SegmentMark(segment_index=1, end_offset_samples=960), 1)
        await edge.send(m.RunAudioEnd(total_samples=960), 1)
        sent = [payload for payload, run_id in wire.sent if run_id == 1]
        audio = [each for each in sent if isinstance(each, m.Audio)]
        assert sum(len(each.pcm) for each in audio) == 480
        assert [each.offset_samples for each in audio[1:]] == [
            each.offset_samples + len(each.pcm) for each in audio[:-1]
        ]
        assert {each.segment_index for each in audio} == {1}
        assert m.SegmentMark(segment_index=1, end_offset_samples=480) in sent
        assert sent[-1] == m.RunAudioEnd(total_samples=480)
        wire.put(m.PlayoutPosition(played_samples=100), 1)
        wire.put(m.PlayoutPosition(played_samples=10_000), 1)
        positions = [event.payload for event in await everything(edge)]
        assert positions == [m.PlayoutPosition(played_samples=200), m.PlayoutPosition(played_samples=960)]

    run_virtual(story())


def test_positions_of_the_button_are_turned_into_ours() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        wire.put(opened(PCM8))
        wire.put(m.TalkPressed(offset_samples=80))
        wire.put(m.TalkReleased(offset_samples=160))
        await edge.receive()
        assert [event.payload for event in await everything(edge)] == [
            m.TalkPressed(offset_samples=160),
            m.TalkReleased(offset_samples=320),
        ]

    run_virtual(story())


def test_what_is_no_sound_passes_as_it_is_and_closing_closes() -> None:
    async def story() -> None:
        wire = Wire()
        edge = LineEdge(wire, virtual_clock())
        await edge.send(m.PlayoutPause(), 3)
        edge.close()
        assert wire.sent == [(m.PlayoutPause(), 3)]
        assert wire.closed

    run_virtual(story())
