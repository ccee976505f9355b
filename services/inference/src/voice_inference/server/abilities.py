"""What the engines of a node cannot do, and what that costs a call: told once, at start-up. Pure."""

from voice_contract.failures import Stage
from voice_contract.messages import EngineDescription


def missing_abilities(engines: tuple[EngineDescription, ...]) -> tuple[str, ...]:
    """One line for each ability that is missing, with its cost and what mends it."""
    by_stage = {engine.stage: engine for engine in engines}
    lines: list[str] = []
    if Stage.END_OF_TURN not in by_stage:
        lines.append(
            "no end_of_turn engine: a pause is judged by its length alone, so agents answer later or interrupt; add "
            "engines.end_of_turn to the placement"
        )
    if (tts := by_stage.get(Stage.TTS)) and not tts.word_times:
        lines.append(
            f"{tts.engine} {tts.model} does not tell when a word ends: what a caller heard of an interrupted reply is "
            "estimated from the length of the words"
        )
    if (llm := by_stage.get(Stage.LLM)) and not llm.tools:
        lines.append(
            f"{llm.engine} {llm.model} takes no tools: agents whose profile has tools answer without them; use the "
            "ollama or openai-compatible engine"
        )
    return tuple(lines)
