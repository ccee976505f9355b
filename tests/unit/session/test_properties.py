"""What holds for every session, whatever happens in whatever order."""

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.session_fuzz import EVENT_TYPES, Checker, random_event, random_session
from support.session_script import Script, policy

from voice_contract.messages import Phase
from voice_orchestrator.session import events as e
from voice_orchestrator.session.reducer import reduce
from voice_orchestrator.session.state import SessionState

SCHEDULES = 150
STEPS = 200


def in_phase(phase: Phase) -> SessionState:
    """A session that stands in `phase`."""
    script = Script(policy(greeting="")) if phase is Phase.CREATED else Script().open()
    match phase:
        case Phase.CONNECTING:
            script = Script()
            script.do(e.CallOpened, listens=True, speaks=True)
        case Phase.PROCESSING:
            script.say("Can you help me?")
        case Phase.RESPONDING:
            script.say("Can you help me?").respond()
        case Phase.TERMINATED:
            script.do(e.CallerHungUp)
        case _:
            pass
    assert script.where() is phase
    return script.state


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: str(kind.__name__))
@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: str(phase.name))
def test_every_event_is_decided_in_every_phase(phase: Phase, kind: type[e.SessionEvent]) -> None:
    state = in_phase(phase)
    for seed in range(40):
        checker = Checker(state)
        checker.ended = int(phase is Phase.TERMINATED)
        if state.run is not None and phase is Phase.RESPONDING:
            checker._released.add(state.run.id)
        event = random_event(random.Random(seed), kind, state, state.now_ms + 100)
        checker.check(event, reduce(state, event))


@given(st.integers(min_value=0, max_value=2**32))
@settings(max_examples=60, derandomize=True)
def test_random_sessions_keep_every_invariant(seed: int) -> None:
    random_session(seed, STEPS)


def test_many_random_sessions_keep_every_invariant_and_go_everywhere() -> None:
    phases: Counter[Phase] = Counter()
    ignored: Counter[str] = Counter()
    for seed in range(SCHEDULES):
        try:
            checker, _ = random_session(seed, STEPS)
        except AssertionError as error:
            raise AssertionError(f"random_session({seed}, {STEPS}): {error}") from error
        phases.update(checker.phases)
        ignored.update(checker.ignored)
    assert set(phases) == set(Phase) - {Phase.CREATED}
    assert ignored["run_ended"] > 0


def test_an_event_that_is_late_counts_as_happening_now() -> None:
    script = Script().open().after(5_000)
    script.say("Can you help me?")
    before = script.state.now_ms
    transition = reduce(script.state, e.Tick(at_ms=10))
    assert transition.state.now_ms == before


PROGRAM = """
import hashlib
from support.session_fuzz import random_session
digest = hashlib.sha256()
for seed in range(40):
    for event, transition in random_session(seed, 100)[1]:
        digest.update(repr((event, transition)).encode())
print(digest.hexdigest())
"""


def test_the_same_events_give_the_same_commands_in_any_process() -> None:
    tests = str(Path(__file__).resolve().parents[2])
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": tests}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert digests != {hashlib.sha256().hexdigest()}
