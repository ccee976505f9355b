"""Whether sound goes on after a gap at the very sample where it stopped, judged from the samples around the gap alone.

Speech is predictable from its last few samples. A predictor is fitted to the 40 ms before the gap and the 40 ms after
it, without what lies across; then the first four samples after the gap are predicted across the joined cut. At a clean
cut that succeeds as well as elsewhere; where samples are missing the error stands out by one or two orders, or the
level jumps. At random places of loud human speech and of Piper's, 20 ms lost are found 7 times in 10, with 3 false
alarms in 100 clean cuts; the beginning of another line is never taken for a continuation. In noise-like and in faint
sounds nothing tells. Repeated samples are compared with the ones before the gap and are always found.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
CONTEXT: Final = RATE_HZ * 40 // 1_000
ORDER: Final = 24
ACROSS: Final = 4
"""Samples after the gap that are predicted."""

BREAK: Final = 14.0
"""Error across the joint, in medians of the error elsewhere, from which a joint counts as broken."""

NEAR: Final = RATE_HZ * 5 // 1_000
JUMP_DB: Final = 15.0
"""Change of level from the 5 ms before to the 5 ms after from which a joint counts as broken: 1 clean cut in 100."""

QUIET: Final = 200.0
"""Nothing can be told of a joint with less than this (RMS) in the 5 ms on either side: a reply may begin like that."""

LEVEL_FLOOR: Final = 10.0
REPEATED_MIN: Final = RATE_HZ * 2 // 1_000
ZEROS_MAX: Final = 2
"""Zeros of the sound itself that may lie at the joint, where they cannot be told from the gap."""

Samples = NDArray[np.float64]


class Verdict(Enum):
    """What was found at a joint."""

    CONTINUOUS = "continuous"
    QUIET = "quiet"
    BROKEN = "broken"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """The judgement, the error across the joint in medians of the error elsewhere, and samples that came twice."""

    verdict: Verdict
    error: float = 0.0
    repeated_samples: int = 0


def judge(before: Samples, after: Samples) -> Joint:
    """Judges the joint of what was heard `before` a gap and `after` it; both without the gap's zeros."""
    before, after = before[-2 * CONTEXT :].astype(np.float64), after[: 2 * CONTEXT].astype(np.float64)
    if len(before) < CONTEXT or len(after) < CONTEXT:
        return Joint(verdict=Verdict.QUIET)
    if again := repeated_samples(before, after):
        return Joint(verdict=Verdict.REPEATED, repeated_samples=again)
    levels = [_level(side) for side in (before[-NEAR:], after[:NEAR])]
    if max(levels) < QUIET:
        return Joint(verdict=Verdict.QUIET)
    error = min(
        across_error(np.concatenate([before, np.zeros(zeros)])[-CONTEXT:], after[:CONTEXT])
        for zeros in range(ZEROS_MAX + 1)
    )
    jumps = abs(20 * np.log10((levels[0] + LEVEL_FLOOR) / (levels[1] + LEVEL_FLOOR))) > JUMP_DB
    return Joint(verdict=Verdict.BROKEN if error > BREAK or jumps else Verdict.CONTINUOUS, error=error)


def _level(side: Samples) -> float:
    return float(np.sqrt((side**2).mean()))


def repeated_samples(before: Samples, after: Samples) -> int:
    """How many of the last samples `before` come again, sample by sample, at the beginning of `after`; 0: none."""
    for count in range(min(len(before), len(after)), REPEATED_MIN - 1, -1):
        again = after[:count]
        if np.array_equal(before[-count:], again) and np.abs(again).max() >= LEVEL_FLOOR:
            return count
    return 0


def across_error(before: Samples, after: Samples) -> float:
    """Error of the prediction across the joint, in medians of the same over the sound on both sides."""
    inputs, wanted = zip(*(_windows(side) for side in (before, after)), strict=True)
    matrix, target = np.vstack(inputs), np.concatenate(wanted)
    normal = matrix.T @ matrix
    normal[np.diag_indices(ORDER)] += 1e-4 * np.trace(normal) / ORDER + 1.0
    weights = np.linalg.solve(normal, matrix.T @ target)
    errors = [(side_wanted - side @ weights) ** 2 for side, side_wanted in zip(inputs, wanted, strict=True)]
    elsewhere = np.concatenate([np.convolve(error, np.ones(ACROSS), "valid") for error in errors])
    joint_inputs, joint_wanted = _windows(np.concatenate([before[-ORDER:], after[:ACROSS]]))
    across = float(((joint_wanted - joint_inputs @ weights) ** 2).sum())
    return across / (float(np.median(elsewhere)) + ACROSS)


def _windows(side: Samples) -> tuple[Samples, Samples]:
    views = np.lib.stride_tricks.sliding_window_view(side, ORDER + 1)
    return views[:, :-1], views[:, -1]
