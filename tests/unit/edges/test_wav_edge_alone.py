"""An edge whose session is there no more."""

from support.virtual_call import speech
from support.virtual_time import run_virtual, virtual_clock

from voice_contract.messages import AudioFormat, CallAccepted, CallEnded
from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.edges.wav_edge import WavEdge, WavScript
from voice_orchestrator.runtime.edge_pair import EdgeEnd, edge_pair


async def edge_of(story: str) -> CallEnded | None:
    clock = virtual_clock()
    session, end = edge_pair("s", clock.monotonic_us)
    script = WavScript(sounds=(speech(1.0),), greets=False, settle_s=0.5, answer_wait_s=1.0)
    edge = WavEdge(end, clock, script, StereoRecording(), "p")
    await accept(session)
    if story == "closes":
        session.close()
    return await edge.run()


async def accept(session: EdgeEnd) -> None:
    await session.send(CallAccepted(caller_format=AudioFormat(), agent_format=AudioFormat()))


def test_a_session_that_reads_nothing_any_more_ends_the_edge_without_an_error() -> None:
    assert run_virtual(edge_of("hangs"), at_most_s=60.0) is None


def test_a_session_that_closes_without_a_word_ends_the_edge_at_once() -> None:
    assert run_virtual(edge_of("closes"), at_most_s=1.0) is None
