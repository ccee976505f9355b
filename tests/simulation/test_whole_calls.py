"""Whole sessions with a wayward node, line and caller: no exception, no task left, heard is what was heard."""

import pytest
from simulation.whole_call import WholeCall

pytestmark = pytest.mark.sim

CALLS = 200


@pytest.mark.timeout(600)
def test_whole_calls_keep_every_invariant() -> None:
    steps, ends = 0, set()
    for seed in range(CALLS):
        call = WholeCall(seed)
        try:
            call.make()
        except (AssertionError, ExceptionGroup, TimeoutError) as failure:
            raise AssertionError(f"call {seed}: {failure!r}") from failure
        steps += call.watching.steps
        assert call.outcome is not None
        ends.add(call.outcome.cause)
    print(f"{CALLS} calls, {steps} steps")
    assert steps > 100 * CALLS
    assert len(ends) >= 4
