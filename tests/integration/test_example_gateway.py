"""The example of docs/edge.md as its readers run it: a process of its own against the real service."""

import ast
import asyncio
import importlib.util
import json
import sys
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.eventually import eventually
from support.served_node import served_node
from support.served_orchestrator import served_orchestrator

from voice_agent.v1 import audio_pb2, control_pb2, event_pb2

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "gateway_client.py"
LINES_MAX = 100
END_S = 30.0
SPOKEN = 3_000
"""The one sample value the scripted voice has."""

SPEECH_SAMPLES = 9_600
VAD_WINDOW = 512

PROFILE = """
system_prompt: You are a test.
greeting: Hello there.
turn_taking:
  min_delay_ms: 100
  max_delay_ms: 200
"""
LONG_GREETING = """
system_prompt: You are a test.
greeting: Hello there and welcome to everybody who calls this very long line of words today.
turn_taking:
  min_delay_ms: 100
  max_delay_ms: 200
interruptions:
  echo_guard_ms: 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of the example."""

    code: int
    out: str
    err: str
    heard: NDArray[np.int16]


def caller_wav(path: Path, rate_hz: int, seconds: float) -> None:
    """A loud sound: speech to the scripted ear."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes((6_000).to_bytes(2, "little", signed=True) * int(rate_hz * seconds))


async def run_example(folder: Path, address: str, *options: str, rate_hz: int = 16_000, seconds: float = 0.6) -> Ran:
    caller, heard = folder / "caller.wav", folder / "heard.wav"
    caller_wav(caller, rate_hz, seconds)
    words = (str(EXAMPLE), str(caller), str(heard), f"--address={address}", "--patience=0.6", *options)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(END_S):
        out, err = await process.communicate()
    with wave.open(str(heard), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate_hz)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    return Ran(code=process.returncode or 0, out=out.decode(), err=err.decode(), heard=samples)


def events_of(journal: str) -> list[dict[str, Any]]:
    """What happened, in order."""
    lines = [json.loads(line) for line in journal.splitlines()]
    return [line["event"] for line in lines if isinstance(line.get("event"), dict)]


def spoken_samples(heard: NDArray[np.int16]) -> int:
    """Samples of the agent in what was heard."""
    return int(np.count_nonzero(heard > SPOKEN // 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The example's call and the journal of its session."""

    ran: Ran
    journal: str


async def make_call(folder: Path, profile: str, *options: str, rate_hz: int = 16_000) -> Call:
    async with (
        served_node() as node,
        served_orchestrator(folder, (node.address,), profile=profile) as orchestrator,
    ):
        ran = await run_example(folder, orchestrator.address, "--profile=plain", *options, rate_hz=rate_hz)
        await orchestrator.host.drain(5.0)
        (kept,) = orchestrator.data.iterdir()
        return Call(ran=ran, journal=(kept / "journal.jsonl").read_text())


async def make_calls(wide: Path, narrow: Path, interrupting: Path) -> dict[str, Call]:
    async with asyncio.TaskGroup() as group:
        tasks = {
            "wide": group.create_task(make_call(wide, PROFILE)),
            "narrow": group.create_task(make_call(narrow, PROFILE, rate_hz=8_000)),
            "interrupting": group.create_task(make_call(interrupting, LONG_GREETING, "--over=0.4")),
        }
    return {name: task.result() for name, task in tasks.items()}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Call]:
    """Calls side by side."""
    return asyncio.run(make_calls(*(tmp_path_factory.mktemp("call") for _ in range(3))))


def test_the_example_is_as_short_as_promised_and_needs_nothing_of_ours() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_MAX
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names == {"grpc", "voice_agent"}


@pytest.mark.parametrize(("name", "rate_hz"), [("wide", 16_000), ("narrow", 8_000)])
def test_a_caller_hears_the_greeting_and_the_answer_to_their_last_sample(
    calls: dict[str, Call], name: str, rate_hz: int
) -> None:
    ran, journal = calls[name].ran, calls[name].journal
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "agent: Hello there.",
        "caller: are you open today",
        "agent: Yes, of course we are.",
        "ended: END_CAUSE_CALLER_HUNG_UP ",
    ]
    # 0.1 s for each of seven words; a resampler is not flat at the edges.
    assert abs(spoken_samples(ran.heard) - 7 * rate_hz // 10) <= rate_hz // 500
    steps = events_of(journal)
    assert [step["played_samples"] for step in steps if step["is"] == "PlayoutReported"] == [3_200, 8_000]
    assert "FlushRun" not in journal
    (began,) = (step["offset_samples"] for step in steps if step["is"] == "SpeechStarted")
    (ended,) = (step["offset_samples"] for step in steps if step["is"] == "SpeechEnded")
    assert abs(ended - began - SPEECH_SAMPLES) <= 2 * VAD_WINDOW


def test_a_caller_who_interrupts_hears_no_more_and_says_how_much(calls: dict[str, Call]) -> None:
    ran, journal = calls["interrupting"].ran, calls["interrupting"].journal
    assert (ran.code, ran.err) == (0, "")
    greeting, answer = 16 * 1_600, 5 * 1_600
    heard = spoken_samples(ran.heard) - answer
    assert greeting // 4 <= heard < greeting
    assert "FlushRun" in journal
    assert f'"played_samples":{heard}' in journal.replace(" ", "")


class HandCall:
    """A stream whose other end is the test."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue(100)
        self.sent: list[Any] = []

    async def write(self, event: Any) -> None:
        self.sent.append(event)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (event := await self.events.get()) is not None:
            yield event

    def say(self, run_id: int = 0, **payload: Any) -> None:
        self.events.put_nowait(event_pb2.Event(session_id="abc", run_id=run_id, **payload))

    def command(self, run_id: int, **arm: Any) -> None:
        self.say(run_id, control=control_pb2.Control(**arm))

    def positions(self) -> list[int]:
        arms = [event.control for event in self.sent if event.control.WhichOneof("arm") == "playout_position"]
        return [arm.playout_position.played_samples for arm in arms]


async def test_a_pause_keeps_what_is_buffered_and_a_flush_drops_it(tmp_path: Path) -> None:
    """Sound comes all at once here, so that there is something to keep and to drop."""
    spec = importlib.util.spec_from_file_location("gateway_client", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    caller_wav(tmp_path / "caller.wav", 16_000, 0.02)
    call = HandCall()
    with wave.open(str(tmp_path / "caller.wav")) as caller, wave.open(str(tmp_path / "heard.wav"), "wb") as heard:
        heard.setparams((1, 2, 16_000, 0, "NONE", ""))
        gateway = example.Gateway(call, caller, heard, SimpleNamespace(over=1e9, patience=1e9))
        async with asyncio.TaskGroup() as group:
            group.create_task(gateway.listen())
            call.command(0, call_accepted=control_pb2.CallAccepted())
            call.say(1, audio=audio_pb2.Audio(pcm=(1).to_bytes(2, "little") * 16_000))
            await eventually(lambda: gateway.played[1] >= 640)
            call.command(1, playout_pause=control_pb2.PlayoutPause())
            await eventually(lambda: gateway.paused)
            stopped = gateway.played[1]
            frames = len(call.sent)
            await eventually(lambda: len(call.sent) >= frames + 4)
            assert gateway.played[1] == stopped
            call.command(1, playout_resume=control_pb2.PlayoutResume())
            await eventually(lambda: gateway.played[1] > stopped)
            call.command(1, playout_flush=control_pb2.PlayoutFlush())
            await eventually(lambda: bool(call.positions()))
            call.say(1, audio=audio_pb2.Audio(pcm=bytes(640)))
            call.say(2, audio=audio_pb2.Audio(pcm=(2).to_bytes(2, "little") * 320))
            call.command(2, run_audio_end=control_pb2.RunAudioEnd(total_samples=320))
            await eventually(lambda: len(call.positions()) == 2)
            call.command(0, call_ended=control_pb2.CallEnded(cause=control_pb2.END_CAUSE_SHUTDOWN))
            call.events.put_nowait(None)
        await gateway.line
    assert call.positions() == [gateway.played[1], 320]
    with wave.open(str(tmp_path / "heard.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    assert [int(np.count_nonzero(samples == run)) for run in (1, 2)] == call.positions()
    assert [event.sequence for event in call.sent] == list(range(1, len(call.sent) + 1))


async def test_a_refused_call_is_told_and_fails(tmp_path: Path) -> None:
    async with served_node() as node, served_orchestrator(tmp_path, (node.address,)) as orchestrator:
        ran = await run_example(tmp_path, orchestrator.address, "--profile=nobody")
    assert ran.code == 1
    assert "END_CAUSE_REFUSED there is no profile 'nobody' here" in ran.out
    assert len(ran.heard) == 0
