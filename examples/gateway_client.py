"""A gateway: plays a .wav to an agent as a caller would and writes what the caller hears; docs/edge.md explains it."""
# ruff: noqa: ANN001, ANN003, ANN201, ANN204, D101, D102, D103

import argparse
import asyncio
import sys
import time
import wave
from collections import Counter, deque
from contextlib import suppress

import grpc

from voice_agent.v1.audio_pb2 import Audio, AudioFormat
from voice_agent.v1.control_pb2 import CallEnded, CallOpen, Control, EndCause, HangUp, Heartbeat, Phase, PlayoutPosition
from voice_agent.v1.edge_service_pb2_grpc import EdgeStub
from voice_agent.v1.event_pb2 import Event
from voice_agent.v1.transcript_pb2 import Speaker, TranscriptKind

FRAME_S = 0.02


class Gateway:
    def __init__(self, call, caller, heard, options):
        self.call, self.heard, self.options, self.phase = call, heard, options, Phase.PHASE_CREATED
        self.caller, self.frame = caller.readframes(caller.getnframes()), int(caller.getframerate() * FRAME_S)
        self.session, self.sequence, self.sending, self.line, self.ended = "", 0, asyncio.Lock(), None, None
        self.waiting, self.paused, self.flushed, self.played, self.totals = deque(), False, 0, Counter(), {}

    async def send(self, run=0, audio=None, **arm):
        async with self.sending:  # events leave in the order of their numbers
            self.sequence, now_us = self.sequence + 1, time.monotonic_ns() // 1_000
            head = {"session_id": self.session, "sequence": self.sequence, "sender_monotonic_us": now_us, "run_id": run}
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the stream is over: listen() knows why
                await self.call.write(Event(**head, audio=audio) if audio else Event(**head, control=Control(**arm)))

    async def listen(self):
        async for event in self.call:
            self.session, run, control, words = event.session_id, event.run_id, event.control, event.transcript
            arm, pcm = control.WhichOneof("arm"), event.audio.pcm
            if pcm and run > self.flushed:
                self.waiting.extend((run, pcm[at : at + 2]) for at in range(0, len(pcm), 2))  # sample by sample
            elif words.kind == TranscriptKind.TRANSCRIPT_KIND_FINAL:
                print("caller:" if words.speaker == Speaker.SPEAKER_CALLER else "agent:", words.text, flush=True)
            elif arm == "call_accepted":
                self.line = asyncio.create_task(self.keep_line())
            elif arm == "phase_changed":
                self.phase = control.phase_changed.to_phase
            elif arm in ("playout_pause", "playout_resume"):
                self.paused = arm == "playout_pause"
            elif arm == "playout_flush":
                self.paused, self.flushed, _ = False, run, self.totals.pop(run, None)
                self.waiting = deque(sample for sample in self.waiting if sample[0] != run)
                await self.send(run, playout_position=PlayoutPosition(played_samples=self.played[run]))
            elif arm == "run_audio_end":
                self.totals[run] = control.run_audio_end.total_samples
            elif arm == "call_ended":
                self.ended = control.call_ended

    async def keep_line(self):  # every 20 ms a frame of the caller leaves and a frame of the agent is heard
        began_s, frames, said, quiet_s = time.monotonic(), 0, 0, 0.0
        while not self.ended and (said < len(self.caller) or quiet_s < self.options.patience):
            await asyncio.sleep(began_s + (frames + 1) * FRAME_S - time.monotonic())
            speaks = said or quiet_s > 1.0 or sum(self.played.values()) >= self.options.over / FRAME_S * self.frame
            pcm = self.caller[said : said + 2 * self.frame] if speaks else b""
            await self.send(audio=Audio(pcm=pcm.ljust(2 * self.frame, b"\0"), offset_samples=frames * self.frame))
            due = [self.waiting.popleft() for _ in range(0 if self.paused else min(self.frame, len(self.waiting)))]
            self.played.update(run for run, _ in due)
            self.heard.writeframes(b"".join(sample for _, sample in due).ljust(2 * self.frame, b"\0"))
            for run in [run for run, total in self.totals.items() if self.played[run] >= total]:
                await self.send(run, playout_position=PlayoutPosition(played_samples=self.totals.pop(run)))
            if frames % 12 == 0:  # some four times a second
                await self.send(heartbeat=Heartbeat())
            frames, said = frames + 1, said + len(pcm)
            quiet_s = quiet_s + FRAME_S if not pcm and not due and self.phase == Phase.PHASE_ACTIVE else 0.0
        await self.send(hang_up=HangUp())


async def main(options):
    with wave.open(options.files[0]) as caller, wave.open(options.files[1], "wb") as heard:
        heard.setparams((1, 2, caller.getframerate(), 0, "NONE", ""))
        async with grpc.aio.insecure_channel(options.address) as channel:
            gateway = Gateway(EdgeStub(channel).Call(), caller, heard, options)
            format_ = AudioFormat(encoding="AUDIO_ENCODING_S16LE", sample_rate_hz=caller.getframerate())
            await gateway.send(call_open=CallOpen(profile=options.profile, caller_format=format_, agent_format=format_))
            await gateway.listen()
            await (gateway.line or asyncio.sleep(0))
    ended = gateway.ended or CallEnded()
    print("ended:", EndCause.Name(ended.cause), ended.failure.detail)
    return int(ended.cause != EndCause.END_CAUSE_CALLER_HUNG_UP)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs=2, metavar="WAV", help="16-bit, one channel, 8 or 16 kHz: to say, and to write")
    parser.add_argument("--address", default="127.0.0.1:50051", help="of the orchestrator")
    parser.add_argument("--profile", default="dental_receptionist", help="of the agent")
    parser.add_argument("--over", type=float, default=1e9, help="interrupt the agent after so many seconds of it")
    parser.add_argument("--patience", type=float, default=3.0, help="hang up after so many seconds of silence")
    sys.exit(asyncio.run(main(parser.parse_args())))
