"""How soon a run that is cancelled has stopped, on the served node: from CancelRun to RunStopped."""

import asyncio
from collections.abc import Sequence
from typing import Final

from fast_rows.row import Row
from many_callers.figures import percentile

from voice_contract.channel_options import HEARTBEAT_INTERVAL_MS
from voice_contract.messages import (
    CancelRun,
    ChatMessage,
    ChatRole,
    Event,
    Generate,
    GenerationEnded,
    Heartbeat,
    RunStopped,
    SessionClose,
    Synthesize,
    Transcript,
    TranscriptKind,
)
from voice_inference.bench.clauses import next_piece
from voice_inference.bench.crowd import CONFIGURE
from voice_inference.bench.node_stream import NodeStream, open_stream
from voice_inference.bench.stage_times import GREETING, INSTRUCTIONS
from voice_inference.clock import monotonic_s

QUESTIONS: Final = (
    "Hello, are you open on Saturday morning?",
    "Could you tell me how much a check-up costs, and how long I will have to wait for it?",
    "My son has a terrible toothache, can we come today?",
)
LATEST_S: Final = 1.2
"""Cancels are spread from the beginning of the run to this: prompt, first words, voice and words, voice alone."""

STOPPED_WAIT_S: Final = 10.0
TOKENS_MAX: Final = 60
EVENTS_MAX: Final = 1_000
"""More than one run sends; a node that sends more waits."""

STOP_MAX_MS: Final = 50.0


class Replies:
    """Writes and speaks runs on one stream as the orchestrator does, and cancels them."""

    def __init__(self, stream: NodeStream) -> None:
        self._stream = stream
        self._events: asyncio.Queue[Event] = asyncio.Queue(EVENTS_MAX)

    async def listen(self) -> None:
        """Takes what comes, until cancelled."""
        while True:
            await self._events.put(await self._stream.receive())

    async def beat(self) -> None:
        """Keeps the stream alive, until cancelled."""
        while True:
            await self._stream.send(Heartbeat())
            await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1_000)

    async def cancelled_ms(self, run_id: int, question: str, after_s: float) -> float:
        """Begins a reply, cancels it after `after_s`; how long it took to stop."""
        messages = (
            ChatMessage(role=ChatRole.SYSTEM, text=INSTRUCTIONS),
            GREETING,
            ChatMessage(role=ChatRole.USER, text=question),
        )
        generate = Generate(messages=messages, max_tokens=TOKENS_MAX, temperature=0.3, top_p=0.9, seed=run_id)
        until_s = monotonic_s() + after_s
        await self._stream.send(generate, run_id)
        unspoken, ended, segments = "", False, 0
        while (event := await self._next(run_id, until_s)) is not None:
            match event.payload:
                case Transcript(kind=TranscriptKind.DELTA, text=text):
                    unspoken += text
                case GenerationEnded():
                    ended = True
            piece, unspoken = next_piece(unspoken, first=not segments, ended=ended)
            if piece:
                await self._stream.send(Synthesize(segment_index=segments, text=piece, speaking_rate=1.0), run_id)
                segments += 1
        began_s = monotonic_s()
        await self._stream.send(CancelRun(), run_id)
        while (event := await self._next(run_id, began_s + STOPPED_WAIT_S)) is not None:
            if isinstance(event.payload, RunStopped):
                return (monotonic_s() - began_s) * 1_000
        return STOPPED_WAIT_S * 1_000

    async def _next(self, run_id: int, until_s: float) -> Event | None:
        """The run's next event; None when `until_s` has come."""
        while (left_s := until_s - monotonic_s()) > 0.0:
            try:
                event = await asyncio.wait_for(self._events.get(), left_s)
            except TimeoutError:
                break
            if event.run_id == run_id:
                return event
        return None


async def stop_times_ms(address: str, runs: int) -> list[float]:
    """So many runs, cancelled at moments spread over their first 1.2 s."""
    stream = await open_stream(address, "bench-cancel", CONFIGURE)
    replies = Replies(stream)
    listening = asyncio.create_task(replies.listen())
    beating = asyncio.create_task(replies.beat())
    try:
        return [
            await replies.cancelled_ms(run + 1, QUESTIONS[run % len(QUESTIONS)], LATEST_S * (run + 0.5) / runs)
            for run in range(runs)
        ]
    finally:
        beating.cancel()
        await stream.send(SessionClose())
        listening.cancel()
        await asyncio.gather(listening, beating, return_exceptions=True)
        await stream.close()


def rows_of(stops_ms: Sequence[float]) -> list[Row]:
    """The lines of the table; the bar is for the slow ones too."""
    p50, p95 = (percentile(stops_ms, share) if stops_ms else None for share in (50, 95))
    worst = f"{len(stops_ms)} runs, longest {max(stops_ms, default=float('nan')):.0f} ms"
    return [
        Row(what="cancel to RunStopped, p50", value=p50, unit="ms", bar_max=STOP_MAX_MS),
        Row(what="cancel to RunStopped, p95", value=p95, unit="ms", bar_max=STOP_MAX_MS, note=worst),
    ]
