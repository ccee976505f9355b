"""Settings as YAML files: read within limits, with variables, with errors that name the place and the nearest key."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from voice_operations.nearest_name import did_you_mean
from voice_operations.operator_error import OperatorError

FILE_BYTES_MAX: Final = 64 << 10
SIZE_MAX: Final = 4 * FILE_BYTES_MAX
"""Values and characters a file may come to with its aliases followed; without any it comes to half of that at most."""
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")

# The constructors of odd but valid tags raise whatever they like.
_UNREADABLE: Final = (
    yaml.YAMLError, ValueError, LookupError, ArithmeticError, AttributeError, TypeError, RecursionError,
)  # fmt: skip

M = TypeVar("M", bound=BaseModel)


class SettingsError(OperatorError):
    """A settings file cannot be used; one line per problem, each beginning with the file."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, of which YAML would keep the last, and aliases that grow."""

    def get_single_node(self) -> yaml.Node | None:
        """The document as nodes, before anything is made of them."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _size(node, {}) > SIZE_MAX:
            raise yaml.constructor.ConstructorError(None, None, "its aliases repeat too much", node.start_mark)
        return node


def _size(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Values and characters in a node, what an alias names counted every time."""
    size = known.get(node)
    if size == 0:  # being counted: it holds itself
        raise yaml.constructor.ConstructorError(None, None, "found unconstructable recursive node", node.start_mark)
    if size is None:
        known[node] = 0
        if isinstance(node, yaml.ScalarNode):
            inside = len(node.value)
        elif isinstance(node, yaml.MappingNode):
            inside = sum(_size(key, known) + _size(value, known) for key, value in node.value)
        else:
            inside = sum(_size(item, known) for item in node.value)
        size = known[node] = 1 + inside
    return size


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            continue  # refused when it is made
        key = key_node.value
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} is written twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_settings(path: Path, model: type[M], *, what: str, needs: str) -> M:
    """The settings in `path`; raises SettingsError. `what` is the kind of file, `needs` a key it cannot lack."""
    data = _substituted(_read_yaml(path, what), lambda problem: SettingsError(f"{path}: {problem}"))
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: must be a mapping with at least the key {needs}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SettingsError(*(f"{path}: {_problem(entry, model)}" for entry in error.errors())) from error


def _read_yaml(path: Path, what: str) -> object:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError(f"{path}: larger than {FILE_BYTES_MAX >> 10} KiB, not a {what}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except _UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise SettingsError(f"{path}: not valid YAML{where}: {problem}") from error


def _substituted(value: object, refusal: Callable[[str], SettingsError]) -> object:
    """`value` with ${NAME} and ${NAME:-default} in its texts filled in; after parsing, so that they cannot add YAML."""
    if isinstance(value, str):
        return _substitute(value, refusal)
    if isinstance(value, list):
        return [_substituted(item, refusal) for item in value]
    if isinstance(value, dict):
        return {key: _substituted(item, refusal) for key, item in value.items()}
    return value


def _substitute(text: str, refusal: Callable[[str], SettingsError]) -> str:
    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match.group(1), match.group(2))
        if found is None:
            raise refusal(f"the environment variable {match.group(1)} is not set")
        return found

    # No variable ends behind the last brace; looking for its end there, again from every ${, would take seconds.
    end = text.rfind("}") + 1
    return _VARIABLE.sub(value, text[:end]) + text[end:]


def _problem(entry: Any, model: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's own shape
    where = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        return f"{where}: unknown key; {did_you_mean(str(entry['loc'][-1]), _keys_beside(entry['loc'], model))}"
    if entry["type"] == "missing":
        return f"{where}: is required"
    message = str(entry["msg"])
    return f"{where}: {message[0].lower()}{message[1:]}"


def _keys_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    kind = model
    for part in location[:-1]:
        if isinstance(part, int):
            continue  # an entry of a list whose kind the step before found
        inside = _model_in(kind.model_fields[part].annotation)
        if inside is None:
            return []
        kind = inside
    return list(kind.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model that `annotation` is or is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
