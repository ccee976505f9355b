"""Words that are expected: read in one step, kept as far as they are right, and never a reason to write others."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.small_whisper import (
    BANDS,
    END,
    FRAMES,
    PROMPT,
    VOCABULARY,
    CountedSession,
    Floats,
    encoded,
    file_of,
    heard,
    small_model,
    special,
)

from voice_inference.engines.base import CancelToken
from voice_inference.engines.stt.word_decoder import Tokens, WordDecoder

LIMIT = 10


@pytest.fixture(scope="module")
def teller(tmp_path_factory: pytest.TempPathFactory) -> WordDecoder:
    """A decoder that writes different tokens: what it read last looks like another one to it. Of these and of `told`
    the chance is chosen: the best is a quarter of the spread above the second best everywhere, so that the rounding of
    rows that are computed together chooses no other.
    """
    weights = small_model()
    rows = np.random.default_rng(8).permutation(VOCABULARY)
    mixed = {**weights, "decoder/projection/weight": np.ascontiguousarray(weights["decoder/embeddings/weight"][rows])}
    return WordDecoder(file_of(tmp_path_factory.mktemp("teller"), mixed), threads=1)


@pytest.fixture(scope="module")
def told() -> Floats:
    return encoded(small_model(), np.random.default_rng(14).normal(0, 1, (BANDS, 2 * FRAMES)).astype(np.float32))


@pytest.fixture
def steps(teller: WordDecoder, monkeypatch: pytest.MonkeyPatch) -> CountedSession:
    counted = CountedSession(teller._step)
    monkeypatch.setattr(teller, "_step", counted)
    return counted


def written(teller: WordDecoder, told: Floats, draft: list[int], *, end: int = END) -> Tokens:
    """At most LIMIT tokens; END is not written, so that other ends can be chosen."""
    return teller.write(heard(told), special(never=(END,), end=end), LIMIT, CancelToken(), draft)


def ending(teller: WordDecoder, told: Floats) -> tuple[list[int], int]:
    """What is written when a token that comes late in it ends the text, and that token."""
    free = written(teller, told, []).ids
    end = next(token for at, token in enumerate(free) if at >= 4 and free.index(token) == at)
    return free[: free.index(end)], end


def same(found: Tokens, wanted: Tokens) -> bool:
    """What lies between two numbers of eight bits may be rounded to the other one when rows are computed together."""
    return (
        found.ids == wanted.ids
        and found.log_probability == pytest.approx(wanted.log_probability, abs=0.02)
        and found.no_speech == pytest.approx(wanted.no_speech, rel=0.05)
    )


def test_a_draft_that_is_right_is_read_in_one_step(teller: WordDecoder, told: Floats, steps: CountedSession) -> None:
    ids, end = ending(teller, told)
    steps.calls = 0
    plain = written(teller, told, [], end=end)
    assert (plain.ids, steps.calls) == (ids, 1 + len(ids))
    steps.calls = 0
    assert same(written(teller, told, ids, end=end), plain)
    assert steps.calls == 1


def test_a_draft_is_kept_as_far_as_it_is_right(teller: WordDecoder, told: Floats, steps: CountedSession) -> None:
    plain = written(teller, told, [])
    assert len(plain.ids) == LIMIT
    for right in range(LIMIT + 1):
        steps.calls = 0
        assert same(written(teller, told, plain.ids[:right]), plain)
        # One for the draft; what was found behind it needs no further step, each token behind that does.
        assert steps.calls == 1 + LIMIT - right
        wrong = [*plain.ids[:right], *((token + 1) % PROMPT[0] for token in plain.ids[right:])]
        steps.calls = 0
        assert same(written(teller, told, wrong), plain)
        assert steps.calls == 1 + LIMIT - right


def test_a_draft_that_is_longer_than_the_limit_is_cut(teller: WordDecoder, told: Floats, steps: CountedSession) -> None:
    plain = written(teller, told, [])
    steps.calls = 0
    assert same(written(teller, told, [*plain.ids, *plain.ids, 1, 2, 3]), plain)
    assert steps.calls == 1
    assert steps.tokens_max == len(PROMPT) + LIMIT


def test_an_end_in_a_draft_is_a_token_like_others(teller: WordDecoder, told: Floats) -> None:
    ids, end = ending(teller, told)
    plain = written(teller, told, [], end=end)
    for draft in ([end], [*ids, end], [*ids, end, *ids], [*ids[:2], end, *ids[2:]]):
        assert same(written(teller, told, draft, end=end), plain)


def test_what_may_not_be_written_is_not_written_because_it_was_expected(teller: WordDecoder, told: Floats) -> None:
    free = written(teller, told, []).ids
    for may_not in (special(never=(END, free[2])), special(never=(END,), not_first=(free[0],))):
        plain = teller.write(heard(told), may_not, LIMIT, CancelToken())
        assert plain.ids != free
        assert same(teller.write(heard(told), may_not, LIMIT, CancelToken(), free), plain)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    draft=st.lists(st.integers(0, VOCABULARY - 1), max_size=LIMIT + 4),
    right=st.integers(0, LIMIT),
    ends=st.booleans(),
)
def test_no_draft_changes_what_is_written(
    teller: WordDecoder, told: Floats, draft: list[int], right: int, ends: bool
) -> None:
    end = ending(teller, told)[1] if ends else END
    plain = written(teller, told, [], end=end)
    assert same(written(teller, told, [*plain.ids[:right], *draft], end=end), plain)
