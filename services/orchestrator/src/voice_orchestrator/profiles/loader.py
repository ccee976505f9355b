"""Finds and reads agent profiles; a refusal names the nearest valid name."""

import difflib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voice_operations.settings_file import SettingsError, read_settings
from voice_orchestrator.profiles.model import Profile

SUFFIX: Final = ".yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProfile:
    """A valid profile. `sha256` is of its canonical content, defaults included."""

    name: str
    path: Path
    profile: Profile
    sha256: str


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
    """The profile of that name or in that file; raises SettingsError."""
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        return load_profile(Path(name_or_path))
    known = known_profiles(folders)
    path = known.get(name_or_path)
    if path is None:
        near = difflib.get_close_matches(name_or_path, known, n=1)
        names = ", ".join(sorted(known)) or "none; set VOICE_AGENT_PROFILES to a folder with profiles"
        hint = f"did you mean {near[0]}? " if near else ""
        raise SettingsError(f"there is no profile {name_or_path!r}: {hint}known profiles: {names}")
    return load_profile(path)


def load_profile(path: Path) -> LoadedProfile:
    """The profile in `path`; raises SettingsError."""
    profile = read_settings(path, Profile, what="profile", needs="system_prompt")
    if not profile.system_text():
        raise SettingsError(f"{path}: system_prompt: must hold words")
    canonical = json.dumps(profile.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return LoadedProfile(
        name=path.stem, path=path, profile=profile, sha256=hashlib.sha256(canonical.encode()).hexdigest()
    )
