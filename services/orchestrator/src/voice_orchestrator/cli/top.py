"""`voice-orchestrator top`: the running sessions as a table that keeps itself up to date."""

import contextlib
import json
import os
import select
import ssl
import sys
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeGuard

import click
import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from voice_contract.messages import Phase
from voice_operations.addresses import parse_address
from voice_operations.bearer_tokens import read_own_token
from voice_operations.operator_error import OperatorError
from voice_operations.tls_files import read_ca
from voice_orchestrator.service.openapi import DEFAULT_HTTP_ADDRESS

ANSWER_S: Final = 2.0
TOKEN_VARIABLE: Final = "VOICE_AGENT_HTTP_TOKEN"
PIPE_COLUMNS: Final = 200
"""Where there is no terminal nothing needs to be cut to its width."""

PHASE_STYLES: Final = {
    Phase.CONNECTING.value: "yellow",
    Phase.PROCESSING.value: "cyan",
    Phase.RESPONDING.value: "green",
}

Document = dict[str, Any]


@click.command()
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    default=lambda: os.environ.get("VOICE_AGENT_HTTP", DEFAULT_HTTP_ADDRESS),
    show_default=f"$VOICE_AGENT_HTTP or {DEFAULT_HTTP_ADDRESS}",
    help="HTTP address of the orchestrator.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"One NAME:TOKEN line, where a token is asked for. Or ${TOKEN_VARIABLE}.",
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CA whose certificate the orchestrator has to show; with it TLS is spoken.",
)
@click.option(
    "--interval", type=click.FloatRange(0.2, 60.0), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Look once and leave.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document for every look instead of a table.")
def top(address: str, token_file: Path | None, ca: Path | None, interval: float, once: bool, as_json: bool) -> None:
    """Show the sessions of a running orchestrator; q or Ctrl-C leaves."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    with contextlib.suppress(KeyboardInterrupt), Orchestrator(address, token_file, ca) as orchestrator:
        snapshot = orchestrator.look()
        if console.is_terminal and not once and not as_json:
            _live(orchestrator, snapshot, interval, console)
            return
        while True:
            if as_json:
                click.echo(json.dumps({"health": snapshot.health, "sessions": snapshot.sessions}, ensure_ascii=False))
            else:
                console.print(picture(snapshot))
            if once:
                return
            _wait(interval, None)
            snapshot = orchestrator.look()


# --- asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the orchestrator said of itself; `problem`: why it has not said more since, empty when it has."""

    url: str
    health: Document
    sessions: list[Document]
    problem: str = ""


class Orchestrator:
    """A running orchestrator's REST."""

    def __init__(self, address: str, token_file: Path | None, ca: Path | None) -> None:
        """Raises OperatorError for an address, a token or a CA that cannot be used."""
        where = parse_address(address)
        if ca is None and not where.is_loopback:
            raise OperatorError(f"{where} is not this machine: name the CA of its certificate with --ca")
        self.url = f"{'http' if ca is None else 'https'}://{where}"
        token = read_own_token(token_file, os.environ.get(TOKEN_VARIABLE, ""))
        self._token_name = "" if token is None else token.name
        headers = {} if token is None else {"Authorization": token.authorization}
        # trust_env: a proxy of the environment has no business between this machine and itself.
        self._client = httpx.Client(
            base_url=self.url, headers=headers, timeout=ANSWER_S, trust_env=False, verify=_authority(ca)
        )

    def __enter__(self) -> Self:
        """Nothing is asked yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the connection."""
        self._client.close()

    def look(self) -> Snapshot:
        """Asks; raises OperatorError."""
        health, sessions = self._get("/v1/health"), self._get("/v1/sessions").get("sessions")
        if not _are_documents(sessions) or not _are_documents(health.get("nodes")):
            raise self._stranger()
        return Snapshot(url=self.url, health=health, sessions=sessions)

    def _get(self, path: str) -> Document:
        try:
            response = self._client.get(path)
        except httpx.ConnectError as error:
            if "SSL" in str(error):
                raise OperatorError(f"{self.url}: {error}; name the right CA with --ca") from error
            raise OperatorError(
                f"no orchestrator answers at {self.url}; start one with `voice-orchestrator serve`, or name its HTTP "
                "address with --http"
            ) from error
        except httpx.TimeoutException as error:
            raise OperatorError(f"{self.url} does not answer within {ANSWER_S:g} s; look at its log") from error
        except httpx.HTTPError as error:
            raise self._stranger() from error
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise OperatorError(
                f"{self.url} does not take the token of {self._token_name}; name a file with another with --token-file"
                if self._token_name
                else f"{self.url} asks for a token; name the file that holds it with --token-file"
            )
        try:
            body = response.json()
        except ValueError as error:
            raise self._stranger() from error
        if not isinstance(body, dict):
            raise self._stranger()
        if response.status_code != httpx.codes.OK:
            problem = body.get("error")
            raise (
                OperatorError(f"{self.url}: {problem.get('message')}")
                if isinstance(problem, dict)
                else self._stranger()
            )
        return body

    def _stranger(self) -> OperatorError:
        return OperatorError(
            f"what answers at {self.url} is not an orchestrator's HTTP address; name that with --http, and its CA with "
            "--ca if it speaks TLS"
        )


def _are_documents(value: object) -> TypeGuard[list[Document]]:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _authority(path: Path | None) -> ssl.SSLContext | bool:
    return False if path is None else ssl.create_default_context(cadata=read_ca(path).decode("ascii"))


# --- showing


def picture(snapshot: Snapshot) -> RenderableType:
    """The table of sessions under two lines about the orchestrator."""
    health = snapshot.health
    head = Text.assemble(
        ("voice-orchestrator ", "bold"),
        f"{_plain(health.get('version'))} at {snapshot.url}  ",
        f"{_plain(health.get('active'))} of {_plain(health.get('slots'))} sessions  ",
        ("accepting", "green") if health.get("accepting") is True else ("not accepting", "bold red"),
    )
    parts: list[RenderableType] = [head, _nodes(health["nodes"])]
    if snapshot.problem:
        parts.append(Text(snapshot.problem, style="bold red"))
    return Group(*parts, Text(), _table(snapshot.sessions))


def _nodes(nodes: list[Document]) -> Text:
    line = Text("nodes: ")
    for index, node in enumerate(nodes):
        if index:
            line.append(", ")
        line.append(_plain(node.get("address")))
        if node.get("healthy") is True:
            line.append(" up", style="green")
            line.append(f" ({_plain(node.get('sessions'))} here, {_plain(node.get('free_slots'))} free)")
        else:
            line.append(" down", style="bold red")
    if not nodes:
        line.append("none", style="bold red")
    return line


def _table(sessions: list[Document]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
    # On a narrow terminal names are folded, figures and the id that hanging up needs are not.
    table.add_column("session", no_wrap=True, min_width=12)
    table.add_column("profile", overflow="fold")
    table.add_column("phase", no_wrap=True, min_width=10)
    table.add_column("age", justify="right", no_wrap=True, min_width=5)
    table.add_column("turns", justify="right", no_wrap=True, min_width=5)
    table.add_column("barge-ins", justify="right", no_wrap=True, min_width=9)
    table.add_column("node", overflow="fold")
    table.add_column("latency", justify="right", no_wrap=True, min_width=8)
    for session in sessions:
        phase, latency = _plain(session.get("phase")), session.get("last_voice_to_voice_ms")
        table.add_row(
            Text(_plain(session.get("session_id"))),
            Text(_plain(session.get("profile"))),
            Text(phase, style=PHASE_STYLES.get(phase, "")),
            _age(session.get("age_s")),
            Text(_plain(session.get("turns"))),
            Text(_plain(session.get("interruptions"))),
            Text(_plain(session.get("inference"))),
            Text(f"{latency} ms" if isinstance(latency, int) else "-"),
        )
    return table


def _age(age_s: object) -> str:
    if not isinstance(age_s, int):
        return "-"
    minutes, seconds = divmod(age_s, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _plain(value: object) -> str:
    """A value of the answer as a word on a terminal, which it must not be able to command."""
    text = "-" if value is None else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


# --- staying


def _live(orchestrator: Orchestrator, snapshot: Snapshot, interval_s: float, console: Console) -> None:
    """Keeps the table up to date until q is pressed; an orchestrator that went away is waited for."""
    with _keys() as keyboard, Live(picture(snapshot), console=console, screen=True, auto_refresh=False) as live:
        while not _wait(interval_s, keyboard):
            try:
                snapshot = orchestrator.look()
            except OperatorError as error:
                snapshot = Snapshot(
                    url=snapshot.url, health=snapshot.health, sessions=snapshot.sessions, problem=str(error)
                )
            live.update(picture(snapshot), refresh=True)


@contextlib.contextmanager
def _keys() -> Iterator[int | None]:
    """The keyboard, key by key; None when there is none."""
    if not sys.stdin.isatty():
        yield None
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    try:
        yield keyboard
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _wait(seconds: float, keyboard: int | None) -> bool:
    """Waits for so long, or for a key; True when it was q, or the keyboard is gone."""
    watched = [] if keyboard is None else [keyboard]
    ready, _, _ = select.select(watched, [], [], seconds)
    if not ready:
        return False
    keys = os.read(ready[0], 64)
    return not keys or keys[:1] in b"qQ"
