"""`voice-orchestrator profiles`: list, check and show agent profiles."""

import click
import yaml

from voice_operations.operator_error import OperatorError
from voice_operations.settings_file import SettingsError
from voice_orchestrator.profiles.loader import find_profile, known_profiles
from voice_orchestrator.profiles.schema import profile_schema


@click.group()
def profiles() -> None:
    """List, check and show agent profiles."""


@profiles.command("list")
def list_profiles() -> None:
    """Show the profiles that can be named, and where they are."""
    for name, path in known_profiles().items():
        try:
            description = find_profile(name).profile.description
        except SettingsError:
            description = "cannot be used, see `voice-orchestrator profiles check`"
        click.echo(f"{name:<26} {description}  ({path})")


@profiles.command()
@click.argument("names", nargs=-1)
def check(names: tuple[str, ...]) -> None:
    """Check NAMES, which are profile names or files; without NAMES, all. Exit code 1 if one cannot be used."""
    problems: list[str] = []
    for name in names or tuple(known_profiles()):
        try:
            loaded = find_profile(name)
        except SettingsError as error:
            problems.extend(error.problems)
        else:
            click.echo(f"{loaded.path}: good")
    if problems:
        raise OperatorError(*problems)


@profiles.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the profile NAME with every default filled in."""
    loaded = find_profile(name)
    click.echo(yaml.safe_dump(loaded.profile.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)


@profiles.command()
def schema() -> None:
    """Print the JSON schema of profiles, for editors."""
    click.echo(profile_schema(), nl=False)
