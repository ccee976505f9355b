"""What is under deploy/, parsed: the compose file, the images' recipes, the manifests, and the commands they run."""

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import click
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
K8S: Final = DEPLOY / "k8s"
PLANES: Final = ("orchestrator", "inference")
_DEFAULT: Final = re.compile(r"\$\{\w+:-([^}]*)\}")


@cache
def compose() -> dict[str, Any]:
    """The compose file, with the defaults of its variables."""
    text = _DEFAULT.sub(r"\1", (DEPLOY / "docker-compose.yml").read_text(encoding="utf-8"))
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def services() -> dict[str, dict[str, Any]]:
    """The services of the compose file by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def documents(*files: Path) -> list[dict[str, Any]]:
    """Every YAML document of the files."""
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A Dockerfile as its instructions, continued lines joined."""

    name: str
    steps: tuple[tuple[str, str], ...]

    def all(self, instruction: str) -> list[str]:
        """The arguments of every such instruction."""
        return [argument for name, argument in self.steps if name == instruction]

    def final(self, instruction: str) -> list[str]:
        """Those of the stage that is shipped."""
        last = max(index for index, (name, _) in enumerate(self.steps) if name == "FROM")
        return [argument for name, argument in self.steps[last:] if name == instruction]


def recipe(plane: str) -> Recipe:
    """The Dockerfile of a plane."""
    text = (DEPLOY / f"{plane}.Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    steps = tuple((name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines()))
    return Recipe(plane, steps)


def command_of(program: str, name: str) -> click.Command:
    """A subcommand of voice-orchestrator or voice-inference."""
    module = __import__(f"{program.replace('-', '_')}.cli.{name}", fromlist=[name])
    found: click.Command = getattr(module, name)
    return found


def options_of(command: click.Command) -> set[str]:
    """Every option a command takes."""
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")}


def variables_of(command: click.Command) -> set[str]:
    """The environment variables a command's options are read from."""
    found: set[str] = set()
    for parameter in command.params:
        named = parameter.envvar
        found |= set() if named is None else {named} if isinstance(named, str) else set(named)
    return found


def options_in(words: list[str]) -> dict[str, str]:
    """--name=value words as a mapping."""
    return {name: value for name, _, value in (word.partition("=") for word in words) if name.startswith("--")}


def address_default(command: click.Command, option: str) -> str:
    """The default of an option, as its users would write it."""
    (parameter,) = (parameter for parameter in command.params if option in parameter.opts)
    return str(parameter.default)


def port(address: str) -> int:
    """The port of HOST:PORT."""
    return int(address.rpartition(":")[2])


def seconds(duration: str) -> float:
    """A duration of compose, such as 70s or 30m, in seconds."""
    (amount, unit) = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr]
    return int(amount) * {"s": 1, "m": 60}[unit]


def json_words(argument: str) -> list[str]:
    """The words of an instruction in its JSON form."""
    return [word.strip(",") for word in shlex.split(argument.strip("[]"))]
