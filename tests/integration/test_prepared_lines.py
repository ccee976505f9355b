"""Lines for the time without a node are spoken before anybody needs them, and heard when the node dies."""

from dataclasses import replace
from pathlib import Path

from support.eventually import eventually
from support.served_node import served_node
from support.served_orchestrator import PROFILE, caller_of, plain_profile, served_orchestrator

from voice_contract import messages as m
from voice_orchestrator.profiles.policy_of import policy_of
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.grpc_inference import GrpcConnector
from voice_orchestrator.service.prepared_lines import LinePreparer

HOLDING = f"{PROFILE}recovery:\n  node_lost: One moment, please.\n"


def preparer(folder: Path, address: str) -> LinePreparer:
    holding = policy_of(plain_profile(folder, HOLDING).profile)
    silent = replace(holding, recovery=replace(holding.recovery, node_lost=""))
    return LinePreparer({"plain": holding, "silent": silent}, GrpcConnector(address, SessionClock()))


async def test_every_line_is_spoken_once_and_the_node_is_left_empty(tmp_path: Path) -> None:
    async with served_node() as node:
        lines = preparer(tmp_path, node.address)
        assert lines.shelf("plain").sound("One moment, please.") is None
        await lines.run()
        sound = lines.shelf("plain").sound("One moment, please.")
        assert sound
        assert len(sound) % 2 == 0
        assert lines.shelf("silent").sound("") is None
        await eventually(lambda: node.servicer.sessions == 0)


async def test_a_caller_whose_node_dies_hears_the_line_and_goes_on_with_the_next_node(tmp_path: Path) -> None:
    async with (
        served_node() as other,
        served_orchestrator(tmp_path, (other.address,), profile=HOLDING) as orchestrator,
        caller_of(orchestrator.address) as caller,
    ):
        assert orchestrator.preparer is not None
        ended, run_id = await caller.until(m.RunAudioEnd)
        await caller.send(m.PlayoutPosition(played_samples=ended.total_samples), run_id)
        await other.face.drain(0.0)
        words, _ = await caller.until(m.Transcript)
        assert words.text == "One moment, please."
        ended, run_id = await caller.until(m.RunAudioEnd)
        assert ended.total_samples > 0
        await caller.send(m.PlayoutPosition(played_samples=ended.total_samples), run_id)
        async with served_node(address=other.address):
            phase = m.Phase.CONNECTING
            while phase is not m.Phase.ACTIVE:
                phase = (await caller.until(m.PhaseChanged))[0].to_phase
