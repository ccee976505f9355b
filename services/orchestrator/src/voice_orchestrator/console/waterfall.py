"""The latency of a turn as bars, one under the other, as long as the time they took."""

from typing import Final

from voice_contract.messages import TurnLatency
from voice_orchestrator.reports.call_report import stages_ms

BAR_CHARS: Final = 40


def waterfall(latency: TurnLatency) -> list[str]:
    """Lines: a heading with the total, then one per stage; offsets and lengths are in proportion."""
    total_ms = max(1, latency.total_ms)
    lines = [f"turn {latency.utterance_id}: {latency.total_ms} ms from the caller's last word to the agent's first"]
    elapsed_ms = 0
    for stage, took_ms in stages_ms(latency).items():
        start = elapsed_ms * BAR_CHARS // total_ms
        elapsed_ms += took_ms
        end = elapsed_ms * BAR_CHARS // total_ms
        bar = "█" * (end - start) or ("▏" if took_ms else "")
        lines.append(f"  {stage.replace('_', ' '):<14} {took_ms:>5} ms  {' ' * start}{bar}")
    return lines
