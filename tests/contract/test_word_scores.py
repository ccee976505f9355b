"""Judgements of words over real sockets: who answers them, and what they supersede."""

from support.served_node import ServedNode, served_node, session_with

from voice_contract import messages as m
from voice_contract.failures import Failure, FailureReason, Stage
from voice_orchestrator.runtime.grpc_inference import describe

SYSTEM = m.ChatMessage(role=m.ChatRole.SYSTEM, text="Be brief.")


def score(text: str, *, utterance_id: int = 1, revision: int = 1) -> m.ScoreWords:
    said = m.ChatMessage(role=m.ChatRole.USER, text=text)
    return m.ScoreWords(utterance_id=utterance_id, revision=revision, messages=(SYSTEM, said))


async def scores_words(node: ServedNode) -> bool:
    """What the node says of its language model."""
    engines = (await describe(node.address, 2.0)).engines
    return next(engine.scores_words for engine in engines if engine.stage is Stage.LLM)


async def test_words_are_scored_by_the_language_model() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(score("Are you open?"))
        scored, run_id = await session.until(m.WordsScored)
        assert node.llm.scored == ["Are you open?"]
        assert await scores_words(node)
    assert (scored.utterance_id, scored.revision, run_id) == (1, 1, 0)
    assert abs(scored.probability - node.llm.finished) < 1e-6


async def test_an_older_revision_is_refused() -> None:
    async with served_node() as node, session_with(node) as session:
        await session.send(score("Are you", revision=2))
        await session.until(m.WordsScored)
        await session.send(score("Are you open?"))
        refused, _ = await session.until(Failure)
    assert (refused.reason, refused.stage, refused.utterance_id) == (FailureReason.INVALID_MESSAGE, Stage.LLM, 1)


async def test_a_score_that_fails_is_not_answered_and_the_session_goes_on() -> None:
    async with served_node() as node, session_with(node) as session:
        node.llm.score_error = RuntimeError("engine broke")
        await session.send(score("Are you open?"))
        while not node.llm.scored:
            await session.send(m.Heartbeat())
            await session.until(m.Heartbeat)
        node.llm.score_error = None
        await session.send(score("Do you open?", utterance_id=2))
        scored, _ = await session.until(m.WordsScored)
    assert scored.utterance_id == 2
