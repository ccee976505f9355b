"""Arithmetic of the bench."""

from collections.abc import Sequence
from statistics import median

from voice_inference.clock import monotonic_us


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` percent of `values` lie, between neighbours in proportion; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._began_us = monotonic_us()

    def ms(self) -> float:
        """So many by now."""
        return (monotonic_us() - self._began_us) / 1_000


def median_or_none(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None
