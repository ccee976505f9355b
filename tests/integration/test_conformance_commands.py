"""`edge-check` and `inference-check` as people and programs run them."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from support.served_node import served_node
from support.served_orchestrator import served_orchestrator
from support.tampered import SkipsANumber, tampered_node

from voice_operations.command_line import run
from voice_orchestrator.cli.edge_check import edge_check
from voice_orchestrator.cli.inference_check import inference_check

END_S = 40.0
COMMAND = """
import importlib, sys
from voice_operations.command_line import run
module = importlib.import_module("voice_orchestrator.cli." + sys.argv[1])
sys.exit(run(lambda: getattr(module, sys.argv[1]).main(sys.argv[2:], standalone_mode=False)))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str


async def finished(*words: str) -> Done:
    """A command in a process of its own: the servers are in this one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(END_S):
        out, err = await process.communicate()
    return Done(code=process.returncode or 0, out=out.decode(), err=err.decode())


async def test_an_orchestrator_that_keeps_the_contract_is_told_so_to_programs(tmp_path: Path) -> None:
    async with served_node() as node, served_orchestrator(tmp_path, (node.address,)) as orchestrator:
        await orchestrator.server.set_serving(True)
        address = orchestrator.address
        asked = ("edge_check", address, "--profile=plain", "--only=health", "--only=unknown_profile", "--json")
        done = await finished(*asked)
    document = json.loads(done.out)
    assert (done.code, done.err, document["address"], document["kept"]) == (0, "", address, True)
    assert {rule["rule"]: rule["verdict"] for rule in document["rules"]} == {
        "health": "pass",
        "unknown_profile": "pass",
    }


async def test_a_node_that_breaks_it_is_told_which_rule_and_fails() -> None:
    async with served_node() as node, tampered_node(node, SkipsANumber) as address:
        done = await finished("inference_check", address, "--only=sequence", "--only=reflection")
    assert done.code == 1
    assert "1 pass, 1 fail, 0 not checked" in done.out
    assert "7 came where 6 was due" in done.out


@pytest.mark.parametrize(
    ("command", "words", "error"),
    [
        (edge_check, ["127.0.0.1:1"], "nobody answers at 127.0.0.1:1; start one with `voice-orchestrator serve`"),
        (inference_check, ["127.0.0.1:1"], "nobody answers at 127.0.0.1:1; start one with `voice-inference serve`"),
        (edge_check, ["127.0.0.1"], "127.0.0.1 is not HOST:PORT"),
        (inference_check, ["192.0.2.1:50061"], "192.0.2.1:50061: not this machine, so the certificate of its CA is"),
        (edge_check, ["127.0.0.1:1", "--speech=no.wav"], "no.wav: there is no such file"),
    ],
)
def test_what_cannot_be_checked_is_one_line_with_what_to_do(
    command: click.Command, words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lambda: command.main([*words, "--only=understood", "--json"], standalone_mode=False)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {error}")
    assert said.err.count("\n") == 1
