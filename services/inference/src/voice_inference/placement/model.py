"""A placement file as frozen values, with the errors an operator can act on."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from voice_contract.failures import Stage
from voice_operations.settings_file import read_settings


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold nothing that cannot be printed")
    return text


Word = Annotated[str, AfterValidator(_printable)]
"""A name that refusals and logs may show."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnginePlacement(_Section):
    """One engine."""

    engine: Word = Field(description="Engine name, for example faster-whisper")
    model: Word = Field(description="Model name of the catalogue, or of the server for ollama and openai-compatible")
    device: str = Field(
        default="cpu",
        pattern=r"^(cpu|auto|remote|cuda:\d+)$",
        max_length=8,
        description="cpu, cuda:N, auto (a GPU if there is one), or remote (a server elsewhere)",
    )
    threads: int = Field(default=1, ge=1, le=256, description="Threads of the engine on the CPU")
    precision: Word = Field(default="", description="Numeric precision, for engines that take one")
    memory_mb: int = Field(default=0, ge=0, le=1 << 24, description="Memory the engine needs on its device, MB")
    options: dict[Word, Word | int | float] = Field(default_factory=dict, description="Options of the engine")


class Engines(_Section):
    """One engine per stage; without `end_of_turn` the node does not score pauses."""

    vad: EnginePlacement
    stt: EnginePlacement
    end_of_turn: EnginePlacement | None = None
    llm: EnginePlacement
    tts: EnginePlacement

    def by_stage(self) -> tuple[tuple[Stage, EnginePlacement], ...]:
        """The engines there are with their stages, in the order of the pipeline."""
        placed = (
            (Stage.VAD, self.vad),
            (Stage.STT, self.stt),
            (Stage.END_OF_TURN, self.end_of_turn),
            (Stage.LLM, self.llm),
            (Stage.TTS, self.tts),
        )
        return tuple((stage, engine) for stage, engine in placed if engine is not None)


class Limits(_Section):
    """What the node takes at the same time."""

    sessions: Annotated[int, Field(ge=1, le=1000)] = Field(default=4, description="Sessions served at the same time")
    queue: Annotated[int, Field(ge=1, le=1000)] = Field(default=32, description="Requests waiting before each engine")


class Listen(_Section):
    """Addresses, HOST:PORT; port 0 takes a free one."""

    grpc: str = Field(default="127.0.0.1:50061", description="gRPC address")
    http: str = Field(default="127.0.0.1:50062", description="Address of /metrics, /healthz and /readyz")


class Placement(_Section):
    """A whole placement file."""

    engines: Engines
    limits: Limits = Limits()
    listen: Listen = Listen()


def load_placement(path: Path) -> Placement:
    """The placement in `path`; raises SettingsError with one line per problem."""
    return read_settings(path, Placement, what="placement", needs="engines")
