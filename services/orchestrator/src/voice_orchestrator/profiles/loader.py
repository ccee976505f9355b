"""Finds and reads agent profiles; every refusal says where in which file, and the nearest valid name."""

import difflib
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from voice_orchestrator.operator_error import OperatorError
from voice_orchestrator.profiles.model import Profile

PROFILE_BYTES_MAX: Final = 64 << 10
SUFFIX: Final = ".yaml"
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class ProfileError(OperatorError):
    """A profile cannot be used; one line per problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProfile:
    """A valid profile. `sha256` is of its canonical content, defaults included."""

    name: str
    path: Path
    profile: Profile
    sha256: str


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, of which YAML would silently keep the last."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = str(key_node.value)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} is written twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def profile_folders() -> tuple[Path, ...]:
    """Where profiles are looked for: $VOICE_AGENT_PROFILES, ./configs/agent_profiles, this checkout's."""
    folders = []
    if named := os.environ.get("VOICE_AGENT_PROFILES"):
        folders.append(Path(named))
    folders.append(Path("configs/agent_profiles"))
    folders += [parent / "configs" / "agent_profiles" for parent in Path(__file__).resolve().parents]
    return tuple(folder for folder in folders if folder.is_dir())


def known_profiles(folders: tuple[Path, ...] | None = None) -> dict[str, Path]:
    """Profile files by name; the first folder that has a name wins."""
    found: dict[str, Path] = {}
    for folder in profile_folders() if folders is None else folders:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(path.stem, path)
    return found


def find_profile(name_or_path: str, folders: tuple[Path, ...] | None = None) -> LoadedProfile:
    """The profile of that name or in that file; raises ProfileError."""
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        return load_profile(Path(name_or_path))
    known = known_profiles(folders)
    path = known.get(name_or_path)
    if path is None:
        near = difflib.get_close_matches(name_or_path, known, n=1)
        names = ", ".join(sorted(known)) or "none; set VOICE_AGENT_PROFILES to a folder with profiles"
        hint = f"did you mean {near[0]}? " if near else ""
        raise ProfileError(f"there is no profile {name_or_path!r}: {hint}known profiles: {names}")
    return load_profile(path)


def load_profile(path: Path) -> LoadedProfile:
    """The profile in `path`; raises ProfileError."""
    data = _read_yaml(path)
    if not isinstance(data, dict):
        raise ProfileError(f"{path}: must be a mapping with at least the key system_prompt")
    try:
        profile = Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError(*(f"{path}: {_problem(entry)}" for entry in error.errors())) from error
    if not profile.system_text():
        raise ProfileError(f"{path}: system_prompt: must hold words")
    canonical = json.dumps(profile.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return LoadedProfile(
        name=path.stem, path=path, profile=profile, sha256=hashlib.sha256(canonical.encode()).hexdigest()
    )


def _read_yaml(path: Path) -> object:
    try:
        if path.stat().st_size > PROFILE_BYTES_MAX:
            raise ProfileError(f"{path}: larger than {PROFILE_BYTES_MAX >> 10} KiB, not a profile")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path}: not UTF-8 text") from error
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from error
    try:
        return _substituted(yaml.load(text, Loader=_Loader), path)  # a SafeLoader
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ProfileError(
            f"{path}: not valid YAML{where}: {getattr(error, 'problem', None) or 'unreadable'}"
        ) from error


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
    """Replaces ${NAME} and ${NAME:-default} by environment variables."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match.group(1), match.group(2))
        if found is None:
            raise ProfileError(f"{path}: the environment variable {match.group(1)} is not set")
        return found

    return _VARIABLE.sub(value, text)


def _problem(entry: Any) -> str:  # noqa: ANN401 - pydantic's own shape
    where = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        known = _keys_beside(entry["loc"])
        near = difflib.get_close_matches(str(entry["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    if entry["type"] == "missing":
        return f"{where}: is required"
    message = str(entry["msg"])
    return f"{where}: {message[0].lower()}{message[1:]}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    kind: type[BaseModel] = Profile
    for part in location[:-1]:
        annotation = kind.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        kind = annotation
    return list(kind.model_fields)
