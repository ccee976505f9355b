"""Percentiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_inference.bench.figures import median_or_none, percentile

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(VALUES, st.floats(0, 100))
def test_percentiles_are_the_usual_ones(values: list[float], share: float) -> None:
    assert percentile(values, share) == pytest.approx(float(np.percentile(values, share)), abs=1e-6)


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 95) is None
    assert median_or_none([]) is None
    assert median_or_none([3.0, 1.0]) == 2.0
