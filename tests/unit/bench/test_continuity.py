"""Does the judge of joints find lost and repeated samples in real speech, and leave clean cuts alone."""

from functools import cache

import numpy as np
import pytest
import soundfile
from continuity import Verdict, judge
from numpy.typing import NDArray
from support.processes import SPEECH

FRAME = 320
CUTS = 400
CLIPS = ("arctic_a0024", "ls_1998-15444-0007", "ls_3536-23268-0010", "cv_41921376")


@cache
def clips() -> tuple[NDArray[np.float64], ...]:
    return tuple(soundfile.read(SPEECH / f"{name}.wav", dtype="int16")[0].astype(np.float64) for name in CLIPS)


def places() -> list[tuple[NDArray[np.float64], int]]:
    """Seeded random places in human speech where something is to be heard."""
    random = np.random.default_rng(7)
    found: list[tuple[NDArray[np.float64], int]] = []
    while len(found) < CUTS:
        clip = clips()[int(random.integers(len(CLIPS)))]
        at = int(random.integers(2_000, len(clip) - 3_000))
        if np.abs(clip[at - FRAME : at + FRAME]).max() > 300:
            found.append((clip, at))
    return found


def verdicts(lost: int) -> list[Verdict]:
    """Judgements of cuts after which `lost` samples are missing; below 0: come again."""
    return [judge(clip[:at], clip[at + lost :]).verdict for clip, at in places()]


def share(found: list[Verdict], *wanted: Verdict) -> float:
    return sum(verdict in wanted for verdict in found) / len(found)


def test_clean_cuts_pass() -> None:
    found = verdicts(0)
    assert share(found, Verdict.CONTINUOUS, Verdict.QUIET) >= 0.95
    assert share(found, Verdict.QUIET) <= 0.2


def test_twenty_lost_milliseconds_are_found_in_most_places() -> None:
    assert share(verdicts(FRAME), Verdict.BROKEN) >= 0.65


@pytest.mark.parametrize("samples", [FRAME, FRAME // 2, 2 * FRAME])
def test_repeated_sound_is_always_found(samples: int) -> None:
    for clip, at in places()[:100]:
        joint = judge(clip[:at], clip[at - samples :])
        assert joint.verdict is Verdict.REPEATED
        assert joint.repeated_samples == samples


def test_a_zero_of_the_sound_itself_at_the_joint_is_no_break() -> None:
    found = [
        judge(clip[:at], clip[at + 1 :]).verdict
        for clip in clips()
        for at in np.flatnonzero(clip == 0.0)
        if 2_000 < at < len(clip) - 3_000 and np.abs(clip[at - 40 : at + 40]).max() > 500
    ]
    assert len(found) >= 20
    assert share(found, Verdict.BROKEN) <= 0.06


def test_the_beginning_of_another_line_is_no_continuation() -> None:
    lead = np.random.default_rng(2).integers(-20, 20, 160).astype(np.float64)
    beginning = np.concatenate([lead, clips()[0][4_000:8_000]])
    found = [judge(clip[:at], beginning).verdict for clip, at in places()]
    assert share(found, Verdict.CONTINUOUS) == 0.0
    assert share(found, Verdict.BROKEN) >= 0.75


def test_nothing_is_claimed_of_a_joint_in_silence() -> None:
    hush = np.random.default_rng(1).integers(-100, 100, 2_000).astype(np.float64)
    assert judge(hush, hush[500:]).verdict is Verdict.QUIET


def test_nothing_is_claimed_of_a_sound_too_short_to_be_predicted() -> None:
    clip, at = places()[0]
    assert judge(clip[at - 100 : at], clip[at : at + 2_000]).verdict is Verdict.QUIET
