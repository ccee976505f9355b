"""`voice-orchestrator top` against a real HTTP face."""

import asyncio
import json
import os
import pty
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from support.certificates import new_ca, new_identity
from support.eventually import eventually
from support.fake_directory import FakeDirectory, session_info
from support.local_server import LocalServer
from support.operator_face import OPERATOR, SECURED, ServedFace, served_face

from voice_contract.messages import Phase
from voice_operations.bearer_tokens import BearerToken, new_token
from voice_operations.operator_error import OperatorError
from voice_operations.security import ServerSecurity
from voice_operations.tls_files import ServerTls
from voice_orchestrator.cli.top import top
from voice_orchestrator.service.directory import NodeInfo

COMMAND = """
import fcntl, sys, termios
from voice_operations.security import ServerSecurity
from voice_operations.tls_files import ServerTls
from voice_orchestrator.cli.top import top
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C is a signal for the session of a terminal only
sys.exit(top(standalone_mode=False))
"""
CALLS = (
    session_info("one", phase=Phase.RESPONDING),
    session_info("two", phase=Phase.CONNECTING, inference="", last_voice_to_voice_ms=None, turns=0),
)


async def run_top(*arguments: str) -> Result:
    """The command in a thread of its own, as its process would run it."""
    return await asyncio.to_thread(CliRunner().invoke, top, [*arguments, "--once"])


def problem_of(result: Result) -> str:
    """The one line the operator is told."""
    assert isinstance(result.exception, OperatorError), result.output
    (line,) = result.exception.problems
    assert "\n" not in line
    return line


def address(served: ServedFace) -> str:
    return f"127.0.0.1:{served.port}"


async def test_sessions_nodes_and_room_are_shown() -> None:
    nodes = (
        NodeInfo(address="127.0.0.1:50061", healthy=True, sessions=1, free_slots=3),
        NodeInfo(address="127.0.0.1:50063", healthy=False, sessions=0, free_slots=None),
    )
    async with served_face(FakeDirectory(*CALLS, slots=8, nodes=nodes)) as served:
        result = await run_top("--http", address(served))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"voice-orchestrator 1.2.3 at {served.url}  2 of 8 sessions  accepting"
    assert lines[1] == "nodes: 127.0.0.1:50061 up (1 here, 3 free), 127.0.0.1:50063 down"
    rows = [line.split() for line in lines if line.strip().startswith(("one", "two"))]
    assert rows == [
        ["one", "clinic", "responding", "1:30", "3", "1", "127.0.0.1:50061", "640", "ms"],
        ["two", "clinic", "connecting", "1:30", "0", "1", "-", "-"],
    ]


async def test_draining_without_a_node_is_told() -> None:
    directory = FakeDirectory(nodes=())
    directory.accepting = False
    async with served_face(directory) as served:
        result = await run_top("--http", address(served))
    assert "not accepting" in result.output
    assert "nodes: none" in result.output


async def test_json_is_one_document_a_look() -> None:
    async with served_face(FakeDirectory(*CALLS)) as served:
        result = await run_top("--http", address(served), "--json")
    (line,) = result.output.splitlines()
    document = json.loads(line)
    assert [session["session_id"] for session in document["sessions"]] == ["one", "two"]
    assert document["health"]["slots"] == 4


async def test_what_an_edge_called_itself_cannot_command_the_terminal() -> None:
    async with served_face(FakeDirectory(session_info("one", profile="[bold]\x1b[2J\n"))) as served:
        result = await run_top("--http", address(served))
    assert "\x1b" not in result.output
    assert "[bold]?[2J?" in result.output


# --- what can go wrong


async def test_nobody_there() -> None:
    async with served_face() as served:
        gone = address(served)
    line = problem_of(await run_top("--http", gone))
    assert line.startswith(f"no orchestrator answers at http://{gone}; start one with `voice-orchestrator serve`")


def token_file(folder: Path, token: BearerToken) -> str:
    path = folder / token.secret[:8]
    path.write_text(f"{token.name}:{token.secret}\n")
    path.chmod(0o600)
    return str(path)


async def test_a_token_is_sent_and_missed(tmp_path: Path) -> None:
    right, wrong = token_file(tmp_path, OPERATOR), token_file(tmp_path, new_token("guest"))
    async with served_face(security=SECURED) as served:
        there = ("--http", address(served))
        assert (await run_top(*there, "--token-file", right)).exit_code == 0
        assert "name the file that holds it with --token-file" in problem_of(await run_top(*there))
        assert "does not take the token of guest" in problem_of(await run_top(*there, "--token-file", wrong))


async def test_a_stranger_at_the_address() -> None:
    async def hello(request: web.Request) -> web.Response:
        del request
        return web.json_response({"hello": []})

    async def page(request: web.Request) -> web.Response:
        del request
        return web.Response(text="<html>")

    for handler in (hello, page):
        async with LocalServer(web.get("/v1/health", handler), web.get("/v1/sessions", handler)) as stranger:
            line = problem_of(await run_top("--http", f"127.0.0.1:{stranger.port}"))
        assert "is not an orchestrator's HTTP address" in line


async def test_tls_is_needed_beyond_this_machine(tmp_path: Path) -> None:
    assert "--ca" in problem_of(await run_top("--http", "192.0.2.1:9091"))
    empty = tmp_path / "empty.pem"
    empty.touch()
    assert problem_of(await run_top("--http", "192.0.2.1:9091", "--ca", str(empty))).startswith(str(empty))


async def test_tls_is_spoken_with_the_authority_that_is_named(tmp_path: Path) -> None:
    right, wrong = new_ca(tmp_path / "right"), new_ca(tmp_path / "wrong")
    security = ServerSecurity(tls=ServerTls(identity=new_identity(tmp_path / "right", "orchestrator")))
    async with served_face(FakeDirectory(*CALLS), security=security) as served:
        there = ("--http", address(served))
        assert (await run_top(*there, "--ca", str(right))).exit_code == 0
        assert "name the right CA with --ca" in problem_of(await run_top(*there, "--ca", str(wrong)))
        assert "its CA with --ca if it speaks TLS" in problem_of(await run_top(*there))


@pytest.mark.parametrize("where", ["localhost", ":1", "localhost:0", "localhost:65536", "localhost:x", "[::1:1"])
async def test_an_address_that_is_none(where: str) -> None:
    assert "HOST:PORT" in problem_of(await run_top("--http", where))


# --- live, on a terminal


class Terminal:
    """A process on a terminal of its own; `shown` is all it has drawn."""

    def __init__(self, process: asyncio.subprocess.Process, keyboard: int) -> None:
        self.process = process
        self.shown = b""
        self._keyboard = keyboard
        os.set_blocking(keyboard, False)
        asyncio.get_running_loop().add_reader(keyboard, self._read)

    def _read(self) -> None:
        try:
            self.shown += os.read(self._keyboard, 65_536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._keyboard)

    def press(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    async def shows(self, words: bytes) -> None:
        await eventually(lambda: words in self.shown)


@asynccontextmanager
async def live_top(served: ServedFace) -> AsyncIterator[Terminal]:
    keyboard, screen = pty.openpty()
    termios.tcsetwinsize(screen, (30, 140))
    before = termios.tcgetattr(screen)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COMMAND, "--http", address(served), "--interval", "0.2"),
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )
    terminal = Terminal(process, keyboard)
    try:
        yield terminal
        assert await asyncio.wait_for(process.wait(), 20) == 0, terminal.shown
        assert termios.tcgetattr(screen) == before
    finally:
        asyncio.get_running_loop().remove_reader(keyboard)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(screen)
        os.close(keyboard)


async def test_the_table_keeps_up_and_leaves_the_terminal_as_it_was() -> None:
    async with served_face(FakeDirectory(CALLS[0])) as served, live_top(served) as terminal:
        await terminal.shows(b"responding")
        served.directory.running["three"] = session_info("three", phase=Phase.PROCESSING)
        await terminal.shows(b"processing")
        terminal.press(b"q")


async def test_an_orchestrator_that_goes_away_is_waited_for() -> None:
    async with AsyncExitStack() as life:
        served = await life.enter_async_context(served_face(FakeDirectory(CALLS[0])))
        async with live_top(served) as terminal:
            await terminal.shows(b"responding")
            await life.aclose()
            await terminal.shows(b"no orchestrator answers")
            again = FakeDirectory(session_info("one", phase=Phase.PROCESSING))
            await life.enter_async_context(served_face(again, port=served.port))
            await terminal.shows(b"processing")
            terminal.press(b"q")
