"""A placement file as frozen values, with the errors an operator can act on."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError

FILE_BYTES_MAX: Final = 64 << 10
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnginePlacement(_Section):
    """One engine."""

    engine: str = Field(description="Engine name, for example faster-whisper")
    model: str = Field(description="Model name of the catalogue, or of the server for ollama and openai-compatible")
    device: str = Field(
        default="cpu",
        pattern=r"^(cpu|auto|remote|cuda:\d+)$",
        description="cpu, cuda:N, auto (a GPU if there is one), or remote (a server elsewhere)",
    )
    threads: int = Field(default=1, ge=1, le=256, description="Threads of the engine on the CPU")
    precision: str = Field(default="", description="Numeric precision, for engines that take one")
    memory_mb: int = Field(default=0, ge=0, description="Memory the engine needs on its device, MB")
    options: dict[str, str | int | float] = Field(default_factory=dict, description="Options of the engine")


class Engines(_Section):
    """One engine per stage."""

    vad: EnginePlacement
    stt: EnginePlacement
    llm: EnginePlacement
    tts: EnginePlacement

    def by_stage(self) -> tuple[tuple[Stage, EnginePlacement], ...]:
        """The engines with their stages."""
        return ((Stage.VAD, self.vad), (Stage.STT, self.stt), (Stage.LLM, self.llm), (Stage.TTS, self.tts))


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
    """The placement in `path`; raises VoiceAgentError with one line per problem."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise _invalid(f"{path}: larger than {FILE_BYTES_MAX >> 10} KiB, not a placement")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(f"{path}: not UTF-8 text") from error
    except OSError as error:
        raise _invalid(f"{path}: {error.strerror}") from error
    try:
        data = _substituted(yaml.safe_load(text), path)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise _invalid(f"{path}: not valid YAML{where}") from error
    if not isinstance(data, dict):
        raise _invalid(f"{path}: must be a mapping with the key engines")
    try:
        return Placement.model_validate(data)
    except ValidationError as error:
        raise _invalid("\n".join(f"{path}: {_problem(entry)}" for entry in error.errors())) from error


def _substituted(value: object, path: Path) -> object:
    """`value` with the environment variables in its texts filled in; after parsing, so that they cannot add YAML."""
    if isinstance(value, str):
        return _substitute(value, path)
    if isinstance(value, list):
        return [_substituted(item, path) for item in value]
    if isinstance(value, dict):
        return {key: _substituted(item, path) for key, item in value.items()}
    return value


def _substitute(text: str, path: Path) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name, default)
        if found is None:
            raise _invalid(f"{path}: the environment variable {name} is not set")
        return found

    return _VARIABLE.sub(value, text)


def _problem(entry: Any) -> str:  # noqa: ANN401 - pydantic's own shape
    where = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        known = _keys_beside(entry["loc"])
        near = difflib.get_close_matches(str(entry["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    return f"{where}: {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    kind: Any = Placement
    for part in location[:-1]:
        field = kind.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        kind = field.annotation
    return list(kind.model_fields)


def _invalid(detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=Stage.SESSION, reason=FailureReason.INVALID_MESSAGE, detail=detail))
