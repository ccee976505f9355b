"""The findings as text for a terminal. Pure."""

from collections.abc import Iterator, Sequence

from voice_inference.bench.findings import Advice, EngineTimes, Findings, LevelTimes, MachineFacts, StartUp, ThreadTimes


def lines_of(findings: Findings) -> Iterator[str]:
    """Every line of the report."""
    yield from _machine(findings.machine)
    yield f"placement  {findings.placement}"
    yield f"speech     {findings.speech}"
    yield from _engines(findings.engines)
    yield from _threads(findings.threads)
    yield from _start_up(findings.start_up)
    yield from _levels(findings.levels, findings.session_slots)
    yield from _advice(findings.advice)


def _machine(machine: MachineFacts) -> Iterator[str]:
    yield f"machine    {machine.cpu}, {machine.cores} cores, {machine.memory_mb} MB ({machine.available_mb} MB free)"
    busy = "" if machine.load < machine.cores / 4 else "; other processes were busy, the figures are worse for it"
    yield f"           load {machine.load:.1f} before the bench{busy}"
    yield "versions   " + ", ".join(f"{name} {version}" for name, version in machine.versions.items())


def _engines(engines: EngineTimes) -> Iterator[str]:
    yield ""
    yield "every engine alone, medians"
    for vad in engines.vad:
        yield _row(
            f"VAD, batch of {vad.batch}",
            f"{vad.window_us:.0f} µs a window",
            f"{vad.windows_per_s:,.0f} windows/s, {vad.session_second_ms:.2f} ms of CPU a session-second",
        )
    for stt in engines.stt:
        yield _row(
            f"STT, {stt.length_s:g} s of speech", f"{stt.took_ms:.0f} ms", f"{stt.real_time_factor:.3f} of real time"
        )
    if engines.end_of_turn_ms is not None:
        yield _row("end of turn, one score", f"{engines.end_of_turn_ms:.0f} ms")
    llm, tts = engines.llm, engines.tts
    yield _row(f"LLM, first text, {llm.prompt_tokens} tokens new", f"{llm.cold_first_ms:.0f} ms")
    yield _row(
        "LLM, first text, next turn", f"{llm.cached_first_ms:.0f} ms", f"{llm.tokens_per_s:.0f} tokens/s after it"
    )
    yield _row("TTS, first clause's sound", f"{tts.first_clause_ms:.0f} ms", f"{tts.real_time_factor:.3f} of real time")


def _threads(threads: Sequence[ThreadTimes]) -> Iterator[str]:
    if not threads:
        return
    yield ""
    yield "threads of each engine, alone, ms"
    for times in threads:
        cells = "  ".join(f"{count}: {took_ms:.0f}" for count, took_ms in times.took_ms)
        yield _row(times.stage.upper(), cells, f"placed: {times.placed_threads}")


def _start_up(start: StartUp) -> Iterator[str]:
    yield ""
    yield "start-up of a node, files in the kernel's cache"
    yield _row("import of its modules", f"{start.import_s:.2f} s")
    yield _row("command to SERVING", f"{start.serving_s:.2f} s")
    yield _row("memory then", f"{start.rss_mb:.0f} MB", "torch is loaded" if start.torch_loaded else "without torch")


def _levels(levels: Sequence[LevelTimes], slots: int) -> Iterator[str]:
    yield ""
    yield f"callers at once on one node with {slots} session slots, speaking in real time"
    yield "from the last speech sample to the first agent sound; cores: what the node uses, and the callers"
    yield (
        f"  {'callers':>7}{'answers':>9}{'p50 ms':>9}{'p95 ms':>9}{'STT ms':>9}{'text ms':>9}{'refused':>9}"
        f"{'no answer':>11}{'node MB':>9}{'cores':>7}{'their own':>11}"
    )
    for level in levels:
        yield (
            f"  {level.callers:>7}{level.answered:>9}{_ms(level.p50_ms):>9}{_ms(level.p95_ms):>9}{_ms(level.stt_ms):>9}"
            f"{_ms(level.first_text_ms):>9}{level.refused:>9}{level.unanswered:>11}{level.node_rss_mb:>9.0f}"
            f"{level.node_cores:>7.2f}{level.bench_cores:>11.2f}"
        )
        for why in level.why:
            yield f"  {'':>7}  {why}"


def _advice(advice: Advice) -> Iterator[str]:
    yield ""
    yield "recommended placement"
    yield _row("session slots", "as they are" if advice.sessions is None else str(advice.sessions), advice.sessions_why)
    for stage, count in advice.threads.items():
        yield _row(f"{stage.upper()} threads", str(count), advice.threads_why[stage])
    yield ""
    yield from advice.placement.rstrip("\n").split("\n")


def _row(label: str, value: str, more: str = "") -> str:
    return f"  {label:<34}{value:>16}   {more}".rstrip()


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
