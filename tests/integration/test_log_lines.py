"""Log lines of calls name the session, the turn and the run they are about, and nothing that was said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from support.asking_node import AskingNode
from support.eventually import eventually
from support.hand_call import calling
from support.local_tools import LocalTools
from support.running_service import running_service
from support.scripted_engines import LoudnessVad, ScriptedLlm
from support.scripted_inference import Behaviour, ScriptedInference
from support.served_node import served_node, session_with
from support.served_orchestrator import caller_of
from support.session_script import QUIET_TURNS, policy
from support.virtual_time import run_virtual

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_contract.messages import ToolDeclaration
from voice_inference.engines.base import CancelToken
from voice_orchestrator.runtime.http_tools import HttpTool, HttpTools
from voice_orchestrator.session.policy import ToolPolicy

WEATHER = ToolPolicy(
    declarations=(ToolDeclaration(name="weather", description="Tells the weather.", parameters_schema="{}"),)
)
GENERATE = m.Generate(
    messages=(m.ChatMessage(role=m.ChatRole.USER, text="Hello?"),), max_tokens=20, temperature=0.0, top_p=1.0
)
SECRET = "the caller's own words"
NAMES = {"session", "turn", "run"}

Lines = list[structlog.typing.EventDict]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged, named as it is in production."""
    with capture_logs([structlog.contextvars.merge_contextvars]) as logged:
        yield logged


def about(lines: Lines, event: str) -> list[dict[str, Any]]:
    """Which session, turn and run the lines of an event name."""
    return [{name: line[name] for name in NAMES & line.keys()} for line in lines if line["event"] == event]


# --- the orchestrator


def test_a_tool_names_the_turn_and_the_run_it_was_called_for(lines: Lines) -> None:
    service = LocalTools()

    async def story() -> None:
        async with service.server() as server:
            tool = HttpTool(name="weather", url=f"{server.url}/tool", parameters={}, timeout_ms=4_000)
            node = AskingNode("weather", ["{}"])
            spoken = policy(tools=WEATHER, turn_taking=QUIET_TURNS)
            async with calling(spoken, node, HttpTools([tool])) as call:
                await call.speak(1.0)
                await call.be_silent(0.7)
                await call.until(lambda: service.at_work == 1)
                # The caller goes on: it answers when its run is over.
                await call.speak(1.0)
                await call.be_silent(0.7)
                await call.until(lambda: 2 in call.log.runs)
                service.answering.set()
                await call.until(lambda: bool(about(lines, "tool_answered")))

    run_virtual(story())
    assert about(lines, "tool_answered") == [{"turn": 1, "run": 1}]


def test_a_failure_names_its_turn_and_its_run(lines: Lines) -> None:
    broken = Failure(stage=Stage.TTS, reason=FailureReason.ENGINE_ERROR, detail="it broke")

    async def story() -> None:
        async with calling(policy(), ScriptedInference(Behaviour(fail_synthesis=broken))) as call:
            await call.speak(1.0)
            await call.be_silent(0.7)
            await call.until(lambda: bool(about(lines, "failure")))

    run_virtual(story())
    assert about(lines, "failure")[0] == {"turn": 1, "run": 1}


def test_nothing_is_named_any_more_when_the_session_is_over(lines: Lines) -> None:
    async def story() -> None:
        async with calling(policy()) as call:
            await call.speak(1.0)
            await call.be_silent(0.7)
            await call.until(lambda: call.responded() == 1)
        assert NAMES.isdisjoint(structlog.contextvars.get_contextvars())

    run_virtual(story())
    del lines


async def test_all_lines_of_a_call_name_its_session_and_none_tells_what_was_said(tmp_path: Path, lines: Lines) -> None:
    async with served_node() as node, running_service(tmp_path, node.address) as service:
        node.llm.error = RuntimeError("it broke")
        async with caller_of(service.edges) as caller:
            ended, run_id = await caller.until(m.RunAudioEnd)
            await caller.send(m.PlayoutPosition(played_samples=ended.total_samples), run_id)
            await caller.speak(0.6)
            await caller.speak(0.6, loud=False)
            failure, run_id = await caller.until(Failure)
            await caller.send(m.HangUp())
            await caller.until(m.CallEnded)
        await eventually(lambda: bool(about(lines, "call_ended")))
    session_id = caller.seen[0].session_id
    for event in ("call_began", "failure", "engine_error", "call_ended"):
        assert [named["session"] for named in about(lines, event)] == [session_id] * len(about(lines, event)) != []
    assert about(lines, "failure")[0] == {"session": session_id, "turn": failure.utterance_id, "run": run_id}
    assert about(lines, "engine_error")[0] == {"session": session_id, "run": run_id}
    assert about(lines, "call_ended") == [{"session": session_id}]
    assert node.stt.text not in json.dumps(lines, default=repr)


async def test_a_call_that_is_refused_has_a_name_too(tmp_path: Path, lines: Lines) -> None:
    async with served_node() as node, running_service(tmp_path, node.address) as service:
        async with caller_of(service.edges, profile="nobody") as caller:
            await caller.until(m.CallEnded)
        assert about(lines, "call_refused") == [{"session": caller.seen[0].session_id}]


# --- the node


class DeafVad(LoudnessVad):
    """Fails at every window."""

    def score(self, windows: Any, states: Any) -> Any:
        raise RuntimeError("no ears")


class ForgetfulLlm(ScriptedLlm):
    """Cannot be primed, and says with what."""

    async def prime(self, session_id: str, messages: tuple[m.ChatMessage, ...], cancel: CancelToken) -> None:
        raise RuntimeError(f"cannot read {messages[0].text}")


async def test_a_node_names_session_and_turn_of_words_that_failed(lines: Lines) -> None:
    async with served_node() as node, session_with(node) as session:
        node.stt.error = RuntimeError("it broke")
        await session.speak(1.0)
        await session.send(
            m.Transcribe(
                utterance_id=7,
                revision=1,
                kind=m.TranscribeKind.FINAL,
                start_offset_samples=0,
                end_offset_samples=8_000,
            )
        )
        await session.until(Failure)
    assert about(lines, "engine_error") == [{"session": "test-session", "turn": 7}]


async def test_a_node_names_session_and_run_of_a_reply_that_failed(lines: Lines) -> None:
    async with served_node() as node, session_with(node) as session:
        node.llm.error = RuntimeError("it broke")
        await session.send(GENERATE, 3)
        await session.until(Failure)
        await session.send(m.Synthesize(segment_index=0, text=SECRET, speaking_rate=1.0), 4)
        await session.until(m.SynthesisEnded)
    assert about(lines, "engine_error") == [{"session": "test-session", "run": 3}]


async def test_a_node_names_the_session_it_cannot_hear(lines: Lines) -> None:
    async with served_node(vad=DeafVad()) as node, session_with(node) as session:
        await session.speak(0.1)
        await session.until(Failure)
    assert {"session": "test-session"} in about(lines, "engine_error")


async def test_a_prompt_that_could_not_be_read_is_not_in_the_log(lines: Lines) -> None:
    async with served_node(llm=ForgetfulLlm()) as node, session_with(node) as session:
        await session.send(m.PrimePrompt(messages=(m.ChatMessage(role=m.ChatRole.USER, text=SECRET),)))
        await eventually(lambda: bool(about(lines, "prime_failed")))
    assert about(lines, "prime_failed") == [{"session": "test-session"}]
    assert SECRET not in json.dumps(lines, default=repr)
