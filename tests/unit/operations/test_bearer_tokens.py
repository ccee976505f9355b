"""Which tokens are taken, and that none of them is ever shown."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_operations.bearer_tokens import (
    BearerToken,
    BearerTokens,
    TokenProblem,
    new_token,
    read_own_token,
    read_tokens,
)
from voice_operations.operator_error import OperatorError

GOOD = "kT9xQ2mWv7LrB4nZc8HjP1sYd6FgA3eU"
OTHER = "Zp3Ew8Rk1Vt6Yb9Nc4Mx7Lq2Hs5Jd0Gf"


def token_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(OperatorError) as refused:
        read_tokens(token_file(folder, text))
    said = str(refused.value)
    assert "\n" not in said
    return said


def test_a_peer_is_known_by_its_token(tmp_path: Path) -> None:
    tokens = read_tokens(token_file(tmp_path, f"# who may call\n\norchestrator:{GOOD}\n  gateway-1:{OTHER}  \n"))
    assert tokens is not None
    assert tokens.peer([f"Bearer {GOOD}"]) == "orchestrator"
    assert tokens.peer([f"bearer  {OTHER}"]) == "gateway-1"


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ([], TokenProblem.MISSING),
        ([f"Bearer {GOOD}x"], TokenProblem.UNKNOWN),
        ([f"Bearer {GOOD[:-1]}"], TokenProblem.UNKNOWN),
        ([f"Bearer {GOOD.swapcase()}"], TokenProblem.UNKNOWN),
        ([GOOD], TokenProblem.MALFORMED),
        (["Bearer"], TokenProblem.MALFORMED),
        (["Bearer "], TokenProblem.MALFORMED),
        ([f"Basic {GOOD}"], TokenProblem.MALFORMED),
        ([f"Bearer {GOOD} {GOOD}"], TokenProblem.MALFORMED),
        ([f"Bearer {GOOD}", f"Bearer {GOOD}"], TokenProblem.MALFORMED),
        ([f"Bearer {'a' * 10_000}"], TokenProblem.MALFORMED),
    ],
)
def test_everything_else_is_refused(headers: list[str], problem: TokenProblem) -> None:
    assert BearerTokens([BearerToken("orchestrator", GOOD)]).peer(headers) is problem


def test_an_old_and_a_new_token_of_a_name_are_both_taken(tmp_path: Path) -> None:
    tokens = read_tokens(token_file(tmp_path, f"orchestrator:{GOOD}\norchestrator:{OTHER}\n"))
    assert tokens is not None
    assert {tokens.peer([f"Bearer {secret}"]) for secret in (GOOD, OTHER)} == {"orchestrator"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD, "line 1: is not NAME:TOKEN"),
        (f"orchestrator {GOOD}", "line 1: is not NAME:TOKEN"),
        (f"a b:{GOOD}", "line 1: is not NAME:TOKEN"),
        (f"a:{GOOD}!", "line 1: is not NAME:TOKEN"),
        (f"# one\n{GOOD}:orchestrator", "line 2: its token has 12 characters"),
        ("a:" + GOOD[:31], "line 1: its token has 31 characters"),
        ("a:" + "a1" * 300, "line 1: its token has 600 characters"),
        ("a:" + "abcd" * 10, "line 1: its token can be guessed"),
        (f"a:{GOOD}\nb:{GOOD}", "line 2: its token stands twice"),
        ("# nothing yet\n", "holds no token"),
    ],
)
def test_a_token_file_that_cannot_be_used_names_the_line_and_never_the_token(
    tmp_path: Path, text: str, says: str
) -> None:
    said = refusal(tmp_path, text)
    assert says in said
    assert "certs token" in said
    assert GOOD[:12] not in said


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o666])
def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(OperatorError, match="chmod 600"):
        read_tokens(token_file(tmp_path, f"a:{GOOD}", mode))


def test_the_group_may_read_as_it_must_in_a_mounted_secret(tmp_path: Path) -> None:
    assert read_tokens(token_file(tmp_path, f"a:{GOOD}", 0o440)) is not None


def test_without_a_file_the_environment_is_read() -> None:
    tokens = read_tokens(None, f"a:{GOOD}\nb:{OTHER}")
    assert tokens is not None
    assert tokens.peer([f"Bearer {OTHER}"]) == "b"
    assert read_tokens(None, "  ") is None


def test_a_client_shows_one_token(tmp_path: Path) -> None:
    own = read_own_token(token_file(tmp_path, f"a:{GOOD}"))
    assert own is not None
    assert own.authorization == f"Bearer {GOOD}"
    assert read_own_token(None) is None
    with pytest.raises(OperatorError, match="2 tokens"):
        read_own_token(token_file(tmp_path, f"a:{GOOD}\nb:{OTHER}"))


def test_tokens_are_not_shown_by_their_values() -> None:
    token = BearerToken("orchestrator", GOOD)
    for value in (token, BearerTokens([token])):
        assert "orchestrator" in repr(value)
        assert GOOD not in repr(value)


def test_a_new_token_passes_its_own_rules() -> None:
    made = new_token("gateway-1")
    assert read_own_token(None, f"{made.name}:{made.secret}") == made
    assert made.secret != new_token("gateway-1").secret
    with pytest.raises(OperatorError, match="cannot be the name"):
        new_token("no spaces")


@given(st.text(alphabet=string.printable + "é\u2028", max_size=200))
def test_any_text_is_tokens_or_an_operator_error(text: str) -> None:
    try:
        read_tokens(None, text)
    except OperatorError as error:
        assert "\n" not in str(error)


@given(st.lists(st.text(max_size=80), max_size=3))
def test_any_header_is_answered(headers: list[str]) -> None:
    assert isinstance(BearerTokens([BearerToken("a", GOOD)]).peer(headers), TokenProblem)
