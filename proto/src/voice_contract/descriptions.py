"""What an inference node says of itself: the answer to Describe."""

from dataclasses import dataclass

from voice_contract.failures import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDescription:
    """One engine of an inference node."""

    stage: Stage
    engine: str
    model: str
    device: str
    precision: str = ""
    languages: tuple[str, ...] = ()
    streaming: bool = False
    word_times: bool = False
    concurrency: int = 1
    voices: tuple[str, ...] = ()
    tools: bool = False
    scores_words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDescription:
    """What an inference node can do and how much room it has."""

    version: str
    ready: bool
    engines: tuple[EngineDescription, ...]
    session_slots: int
    free_session_slots: int
