"""What a node says at start-up of what its engines cannot do."""

from dataclasses import replace

from voice_contract.failures import Stage
from voice_contract.messages import EngineDescription
from voice_inference.server.abilities import missing_abilities

SCORER = EngineDescription(stage=Stage.END_OF_TURN, engine="smart-turn", model="v3", device="cpu")
LLM = EngineDescription(stage=Stage.LLM, engine="ollama", model="qwen", device="cpu", tools=True)
TTS = EngineDescription(stage=Stage.TTS, engine="piper", model="joe", device="cpu", word_times=True)


def test_a_node_that_can_everything_says_nothing() -> None:
    assert missing_abilities((SCORER, LLM, TTS)) == ()


def test_every_missing_ability_is_named_with_its_engine_and_its_remedy() -> None:
    scoring, times, tools = missing_abilities((replace(LLM, tools=False), replace(TTS, word_times=False)))
    assert scoring.startswith("no end_of_turn engine: ")
    assert scoring.endswith("add engines.end_of_turn to the placement")
    assert times.startswith("piper joe does not tell when a word ends")
    assert tools.startswith("ollama qwen takes no tools")
