"""The text of a reply while its tokens are being chosen."""

from hypothesis import given
from hypothesis import strategies as st

from voice_contract.messages import FinishReason
from voice_inference.engines.llm.reply_text import ReplyText


def test_a_character_cut_by_tokens_is_passed_on_whole() -> None:
    reply = ReplyText(stop=(), max_tokens=9)
    first, second = "é".encode()[:1], "é".encode()[1:]
    assert [reply.push(b"caf" + first), reply.push(second), reply.reason] == ["caf", "é", None]


def test_a_stop_text_ends_the_reply_and_is_not_passed_on() -> None:
    reply = ReplyText(stop=("User:",), max_tokens=9)
    assert [reply.push(b"Yes. Us"), reply.push(b"er: no")] == ["Yes. ", ""]
    assert (reply.reason, reply.written) == (FinishReason.STOP, 2)


def test_text_held_back_is_passed_on_when_the_model_ends() -> None:
    reply = ReplyText(stop=("User:",), max_tokens=9)
    assert reply.push(b"Yes. Us") == "Yes. "
    assert (reply.end(), reply.reason, reply.written) == ("Us", FinishReason.STOP, 1)


def test_the_last_token_that_is_allowed_brings_all_that_was_held_back() -> None:
    reply = ReplyText(stop=("User:",), max_tokens=2)
    assert reply.push(b"Yes. U") == "Yes. "
    assert (reply.push(b"s"), reply.reason) == ("Us", FinishReason.LENGTH)


@given(st.text(max_size=40), st.data())
def test_text_cut_anywhere_comes_out_as_it_is(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    reply = ReplyText(stop=(), max_tokens=99)
    assert "".join([*(reply.push(piece) for piece in pieces), reply.end()]) == text
