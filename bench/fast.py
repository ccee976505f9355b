"""`make bench`: how fast the product answers on this machine, every figure from one run, beside its bar.

An inference node of the default placement and an orchestrator are served; callers bring human speech to them. One
caller's calls take turns with the naive sequence (200 ms of silence, stock Whisper, the model to its first sentence,
stock Piper) on the same clips, so that what else the machine does hits both. Nothing is asserted: machines differ.
About 6 minutes, with --quick less than two.
"""

# ruff: noqa: E402 - the environment is made before the libraries that read it are loaded

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from voice_inference.native_threads import keep_native_threads_calm

# As `voice-inference` does.
keep_native_threads_calm()

from fast_rows import cancelling, stt_cut, talked_over, unheard, vad_cost, voice_to_voice
from fast_rows.clips import Clip, conversations, load_clips
from fast_rows.naive import NaiveAgent, NaiveTurn
from fast_rows.product import RECEPTIONIST, Made, Product, begin_call, end_call, make_call, product, warm_starts_s
from fast_rows.row import Row, markdown, table
from first_call import SPEECH, memory_mb
from many_callers.figures import percentile

from voice_inference.bench.engine_parts import EngineParts
from voice_inference.bench.process_usage import cpu_s
from voice_inference.bench.this_machine import cpu_name
from voice_inference.catalogue.store import ModelStore, default_cache_dir
from voice_inference.cli.default_placement import default_placement
from voice_inference.placement.machine import ThisMachine
from voice_inference.placement.model import load_placement
from voice_inference.placement.resolve import resolve

RSS_MAX_MB: Final = 700.0
START_MAX_S: Final = 4.0
ARRIVALS_S: Final = 1.3
"""Between the beginnings of callers who call at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    calls: int = 4
    turns: int = 5
    callers: int = 4
    caller_turns: int = 4
    onsets: int = 20
    stt_clips: int = 8
    cancels: int = 20
    vad_s: float = 8.0
    starts: int = 1


QUICK: Final = Plan(calls=1, turns=2, caller_turns=1, onsets=4, stt_clips=3, cancels=6, vad_s=3.0, starts=1)


@dataclass(slots=True)
class Bench:
    """Measures one thing after the other; `rows` and `raw` grow."""

    plan: Plan
    speech: Path
    parts: EngineParts
    rows: list[Row]
    raw: dict[str, Any]
    began_s: float

    def say(self, what: str) -> None:
        """Tells people what is going on."""
        print(f"{time.monotonic() - self.began_s:5.0f} s  {what}", file=sys.stderr)

    def run(self, folder: Path) -> None:
        """Everything."""
        plan = self.plan
        self.say("starting the node, warm")
        starts_s = warm_starts_s(folder, plan.starts)
        with product(folder) as on:
            answers, made, used_s = self._one_caller(on)
            rss_mb = memory_mb(on.node.process.pid, "VmRSS")
            self.say(f"speech over the agent, {plan.onsets} times")
            used_before_s = cpu_s(on.node.process.pid)
            interrupted, findings = talked_over.measure_onsets(on, plan.onsets)
            interrupted_s = cpu_s(on.node.process.pid) - used_before_s
            self._crowd(on, answers)
            self.say(f"{plan.cancels} runs cancelled")
            stops_ms = asyncio.run(cancelling.stop_times_ms(on.node.address, plan.cancels))
            peak_mb = memory_mb(on.node.process.pid, "VmHWM")
        self.rows += talked_over.rows_of(findings)
        self.rows += cancelling.rows_of(stops_ms)
        wasted = unheard.unheard([unheard.journal(call.record) for call in made], used_s, _cores())
        cut_off = unheard.unheard([unheard.journal(interrupted.record)], interrupted_s, _cores())
        self.rows += unheard.rows_of(wasted, "one caller")
        self.rows += unheard.rows_of(cut_off, "talked over")
        self.say(f"VAD, {vad_cost.SESSIONS} sessions")
        vad = vad_cost.vad_figures(plan.vad_s)
        self.rows += vad_cost.rows_of(vad)
        self.say("STT, cut window against the stock one")
        pairs = stt_cut.measure_pairs(self.parts, self.speech, plan.stt_clips)
        self.rows += stt_cut.rows_of(pairs)
        self.rows += _node_rows(rss_mb, peak_mb, starts_s)
        self.raw |= {
            "onsets": findings,
            "stops_ms": stops_ms,
            "unheard": asdict(wasted),
            "unheard_talked_over": asdict(cut_off),
            "vad": vad,
            "stt": stt_cut.raw(pairs),
            "rss_mb": rss_mb,
            "peak_mb": peak_mb,
            "warm_starts_s": starts_s,
        }

    def _one_caller(self, on: Product) -> tuple[voice_to_voice.Answers, list[Made], float]:
        """Calls and naive turns in turn; what came of them, the calls, and the CPU-seconds of the node in them."""
        answers, naive, made, used_s = voice_to_voice.Answers(), [], [], 0.0
        talks = conversations(load_clips(self.speech), self.plan.calls, self.plan.turns)
        with asyncio.Runner() as runner:
            agent = NaiveAgent(self.parts, on.profile(RECEPTIONIST))
            runner.run(agent.start(talks[0][0]))
            for index, clips in enumerate(talks, 1):
                self.say(f"one caller, call {index} of {len(talks)}: {len(clips)} clips")
                used_before_s = cpu_s(on.node.process.pid)
                made.append(make_call(on, RECEPTIONIST, [str(clip.path) for clip in clips]))
                used_s += cpu_s(on.node.process.pid) - used_before_s
                answers.take(made[-1], clips)
                self.say("the naive sequence on the same clips")
                naive += runner.run(_naive_turns(agent, clips))
            runner.run(agent.close())
        self.rows += voice_to_voice.one_caller_rows(answers, naive)
        self.raw |= {"one_caller": voice_to_voice.raw(answers), "naive": [asdict(turn) for turn in naive]}
        return answers, made, used_s

    def _crowd(self, on: Product, one: voice_to_voice.Answers) -> None:
        """Several callers at once."""
        count = self.plan.callers
        self.say(f"{count} callers at once")
        clips = load_clips(self.speech)
        # Each begins at another clip.
        talks = [conversations(clips[index:] + clips[:index], 1, self.plan.caller_turns)[0] for index in range(count)]
        callers = []
        for talk in talks:
            callers.append(begin_call(on, RECEPTIONIST, [str(clip.path) for clip in talk]))
            time.sleep(ARRIVALS_S)
        answers = voice_to_voice.Answers()
        for caller, talk in zip(callers, talks, strict=True):
            answers.take(end_call(on, caller), talk)
        self.rows += voice_to_voice.crowd_rows(one, answers, count)
        self.raw["crowd"] = voice_to_voice.raw(answers)


async def _naive_turns(agent: NaiveAgent, clips: list[Clip]) -> list[NaiveTurn]:
    return [await agent.answer(clip) for clip in clips]


def _node_rows(rss_mb: float, peak_mb: float, starts_s: list[float]) -> list[Row]:
    note = f"peak, with all that came after it, {peak_mb:.0f} MB"
    start_s = percentile(starts_s, 50)
    return [
        Row(what="inference RSS after the conversation", value=rss_mb, unit="MB", bar_max=RSS_MAX_MB, note=note),
        Row(what="warm start to SERVING, median", value=start_s, unit="s", bar_max=START_MAX_S),
    ]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, default=SPEECH, help="folder of clips with a manifest.jsonl")
    parser.add_argument("--quick", action="store_true", help="a few turns only: to see that all works")
    parser.add_argument("--markdown", action="store_true", help="print the table as RESULTS.md has it")
    parser.add_argument("--json", type=Path, help="also write every figure here")
    options = parser.parse_args()
    # Whoever ends the bench early ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parts = EngineParts(resolve(load_placement(default_placement()), ThisMachine()), ModelStore(default_cache_dir()))
    plan = QUICK if options.quick else Plan()
    bench = Bench(plan, options.speech, parts, rows=[], raw={}, began_s=time.monotonic())
    with tempfile.TemporaryDirectory(prefix="voice-agent-bench-") as name:
        bench.run(Path(name))
    load = os.getloadavg()[0]
    print(f"\n{cpu_name()}, {_cores()} cores, load {load:.1f}, {time.monotonic() - bench.began_s:.0f} s\n")
    print((markdown if options.markdown else table)(bench.rows))
    if options.json:
        document = {"rows": [{**asdict(row), "met": row.met} for row in bench.rows], **bench.raw}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
