"""A conversation cut to what a model can read."""

from hypothesis import given, settings
from hypothesis import strategies as st

from voice_contract.messages import ChatMessage, ChatRole
from voice_inference.engines.llm.prompt_fit import fit_messages

Messages = tuple[ChatMessage, ...]


def system(text: str) -> ChatMessage:
    return ChatMessage(role=ChatRole.SYSTEM, text=text)


def user(text: str) -> ChatMessage:
    return ChatMessage(role=ChatRole.USER, text=text)


def agent(text: str) -> ChatMessage:
    return ChatMessage(role=ChatRole.ASSISTANT, text=text)


def count_words(messages: Messages) -> int:
    return sum(len(message.text.split()) for message in messages)


CALL = (system("be kind"), user("hello there"), agent("hi"), user("are you open"), agent("yes"), user("good"))
"""2 + 2 + 1 + 3 + 1 + 1 = 10 words."""


def fit(messages: Messages, tokens_max: int) -> Messages:
    return fit_messages(messages, count_words, tokens_max)


def test_what_fits_exactly_is_left_alone() -> None:
    assert fit(CALL, 10) == CALL


def test_the_oldest_message_goes_first() -> None:
    assert fit(CALL, 9) == (CALL[0], *CALL[2:])


def test_no_more_messages_go_than_must() -> None:
    assert fit(CALL, 7) == (CALL[0], *CALL[3:])
    assert fit(CALL, 4) == (CALL[0], *CALL[4:])


def test_system_messages_stay_wherever_they_are() -> None:
    messages = (system("a"), user("b c"), system("d"), agent("e f"), user("g"))
    assert fit(messages, 3) == (system("a"), system("d"), user("g"))


def test_system_and_last_message_stay_even_when_they_are_too_long() -> None:
    assert fit(CALL, 0) == (CALL[0], CALL[-1])
    assert fit((user("too long"),), 1) == (user("too long"),)


def test_an_empty_conversation_stays_empty() -> None:
    assert fit((), 0) == ()


message = st.builds(ChatMessage, role=st.sampled_from(list(ChatRole)), text=st.sampled_from(["", "a", "a b", "a b c"]))


@given(st.lists(message, max_size=10), st.integers(0, 20))
@settings(max_examples=300, derandomize=True)
def test_a_cut_conversation_is_the_fitting_one_that_loses_least(messages: list[ChatMessage], tokens_max: int) -> None:
    fitted = fit(tuple(messages), tokens_max)
    losable = [at for at, each in enumerate(messages[:-1]) if each.role is not ChatRole.SYSTEM]
    without = [
        tuple(each for at, each in enumerate(messages) if at not in losable[:n]) for n in range(len(losable) + 1)
    ]
    assert fitted == next((each for each in without if count_words(each) <= tokens_max), without[-1])
