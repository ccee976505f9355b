"""The pool of nodes: who is chosen, who is not, who is tried next."""

import asyncio

import pytest
from support.scripted_inference import Behaviour, ScriptedStream
from support.virtual_time import run_virtual, virtual_clock

from voice_contract import messages as m
from voice_contract.failures import FailureReason
from voice_contract.messages import NodeDescription, SessionClose, SessionConfigure
from voice_orchestrator.runtime.clock import SessionClock
from voice_orchestrator.runtime.node_pool import LOOK_EVERY_S, NodePool, PooledConnector
from voice_orchestrator.runtime.ports import InferenceStream, StreamLostError

A, B, C = "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"
CONFIGURE = SessionConfigure(
    caller_format=m.AudioFormat(), agent_format=None, language="en", voice="", vad=m.VadSettings(
        activation_threshold=0.5, deactivation_threshold=0.35, min_speech_ms=64, min_silence_ms=200
    ),
)  # fmt: skip


class Nodes:
    """Nodes as the network would show them: `slots` of each, 0 not ready; `silent` and `gone` ones do not answer."""

    def __init__(self, slots: dict[str, int]) -> None:
        self.slots = slots
        self.taken = dict.fromkeys(slots, 0)
        self.gone: set[str] = set()
        self.silent: set[str] = set()
        self.refuses: dict[str, FailureReason] = {}
        self.opened: list[str] = []
        self.asked = 0

    async def describe(self, address: str, deadline_s: float) -> NodeDescription:
        self.asked += 1
        if address in self.silent:
            await asyncio.sleep(deadline_s)
            raise StreamLostError(FailureReason.PEER_SILENT, f"{address} is silent")
        if address in self.gone:
            raise StreamLostError(FailureReason.INFERENCE_LOST, f"{address} is gone")
        slots = self.slots[address]
        return NodeDescription(
            version="1",
            ready=slots > 0,
            engines=(),
            session_slots=slots,
            free_session_slots=max(0, slots - self.taken[address]),
        )

    async def open_stream(
        self, address: str, session_id: str, configure: SessionConfigure, clock: SessionClock, deadline_s: float
    ) -> InferenceStream:
        del clock, deadline_s
        await asyncio.sleep(0)
        if address in self.gone | self.silent:
            raise StreamLostError(FailureReason.INFERENCE_LOST, f"{address} is gone")
        if address in self.refuses:
            raise StreamLostError(self.refuses[address], f"{address} refuses")
        self.opened.append(address)
        self.taken[address] += 1
        return ScriptedStream(session_id, configure, Behaviour())

    def pool(self) -> NodePool:
        return NodePool(tuple(self.slots), self.describe, self.open_stream)


async def open_one(pool: NodePool) -> InferenceStream:
    return await PooledConnector(pool, virtual_clock()).open("s", CONFIGURE)


def test_equal_nodes_take_turns() -> None:
    async def story() -> None:
        nodes = Nodes({A: 90, B: 90, C: 90})
        pool = nodes.pool()
        await pool.look()
        for _ in range(90):
            await open_one(pool)
        assert [nodes.opened.count(address) for address in (A, B, C)] == [30, 30, 30]
        assert pool.placed == 90

    run_virtual(story())


def test_room_counts_what_was_placed_since_it_was_asked() -> None:
    async def story() -> None:
        nodes = Nodes({A: 2, B: 1})
        pool = nodes.pool()
        assert pool.room() is None
        await pool.look()
        assert pool.room() == 3
        await open_one(pool)
        assert pool.room() == 2
        await pool.look()
        assert pool.room() == 2

    run_virtual(story())


def test_a_session_that_came_and_went_since_the_node_was_asked_leaves_its_room() -> None:
    async def story() -> None:
        nodes = Nodes({A: 2})
        pool = nodes.pool()
        await pool.look()
        first, second = await open_one(pool), await open_one(pool)
        assert pool.room() == 0
        await first.send(SessionClose())
        await first.close()
        assert pool.room() == 1
        nodes.taken[A] = 1
        await pool.look()
        assert pool.room() == 1
        await second.send(SessionClose())
        await second.close()
        assert pool.room() == 1  # the node has yet to say so
        nodes.taken[A] = 0
        await pool.look()
        assert pool.room() == 2

    run_virtual(story())


def test_all_sessions_that_look_for_a_node_wait_for_the_same_answer() -> None:
    async def story() -> None:
        nodes = Nodes({A: 90})
        nodes.silent.add(A)
        pool = nodes.pool()
        looking = [asyncio.ensure_future(open_one(pool)) for _ in range(20)]
        await asyncio.wait(looking)
        assert nodes.asked == 1
        assert all(isinstance(each.exception(), StreamLostError) for each in looking)

    run_virtual(story())


def test_a_node_that_cannot_be_reached_is_passed_over_and_the_next_one_is_tried() -> None:
    async def story() -> None:
        nodes = Nodes({A: 4, B: 4})
        pool = nodes.pool()
        await pool.look()
        nodes.gone.add(A)
        assert [(await open_one(pool)).address for _ in range(3)] == [B] * 3
        assert [node.healthy for node in pool.nodes] == [False, True]
        nodes.gone.clear()
        await pool.look()
        assert (await open_one(pool)).address == A

    run_virtual(story())


def test_a_full_node_is_not_taken_for_a_dead_one() -> None:
    async def story() -> None:
        nodes = Nodes({A: 4, B: 4})
        pool = nodes.pool()
        await pool.look()
        nodes.refuses[A] = FailureReason.CAPACITY_EXHAUSTED
        assert (await open_one(pool)).address == B
        assert all(node.healthy for node in pool.nodes)

    run_virtual(story())


@pytest.mark.parametrize(
    ("slots", "gone", "reason"),
    [({A: 1}, {A}, FailureReason.INFERENCE_LOST), ({A: 0}, set[str](), FailureReason.INFERENCE_LOST)],
)
def test_with_no_node_to_ask_the_loss_says_so(slots: dict[str, int], gone: set[str], reason: FailureReason) -> None:
    async def story() -> None:
        nodes = Nodes(slots)
        nodes.gone |= gone
        with pytest.raises(StreamLostError) as lost:
            await open_one(nodes.pool())
        assert lost.value.reason is reason

    run_virtual(story())


def test_with_every_slot_taken_the_loss_says_so() -> None:
    async def story() -> None:
        pool = Nodes({A: 1}).pool()
        await open_one(pool)
        with pytest.raises(StreamLostError) as lost:
            await open_one(pool)
        assert lost.value.reason is FailureReason.CAPACITY_EXHAUSTED

    run_virtual(story())


def test_a_stream_that_ends_without_a_farewell_condemns_its_node_until_it_answers() -> None:
    async def story() -> None:
        nodes = Nodes({A: 4, B: 4})
        pool = nodes.pool()
        first, second = await open_one(pool), await open_one(pool)
        await first.send(SessionClose())
        await first.close()
        await first.close()
        assert [node.healthy for node in pool.nodes] == [True, True]
        await second.close()
        assert [node.healthy for node in pool.nodes] == [True, False]
        assert pool.placed == 0
        await pool.look()
        assert [node.healthy for node in pool.nodes] == [True, True]

    run_virtual(story())


def test_a_node_that_is_late_once_stays_and_a_silent_one_goes() -> None:
    async def story() -> None:
        nodes = Nodes({A: 4})
        pool = nodes.pool()
        await pool.look()
        nodes.silent.add(A)
        await pool.look()
        assert pool.room() == 4
        await pool.look()
        assert pool.room() is None

    run_virtual(story())


def test_it_looks_again_and_again_on_its_own() -> None:
    async def story() -> None:
        nodes = Nodes({A: 4})
        nodes.gone.add(A)
        pool = nodes.pool()
        running = asyncio.create_task(pool.run())
        await asyncio.sleep(0.01)
        assert pool.room() is None
        nodes.gone.clear()
        await asyncio.sleep(2 * LOOK_EVERY_S)
        assert pool.room() == 4
        running.cancel()
        await asyncio.wait((running,))

    run_virtual(story())
