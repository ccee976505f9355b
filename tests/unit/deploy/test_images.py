"""The recipes of the images: what goes in, who runs it, and that every name in them exists."""

import importlib.metadata
import re
import tomllib
from pathlib import PurePosixPath
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.deployment import DEPLOY, PLANES, ROOT, json_words, recipe

# Asked only what GPUs there are, which the images for CPUs have no engines for.
LEFT_OUT: dict[str, set[str]] = {"inference": {"torch"}, "orchestrator": set()}


OWN = {f"voice-{name}": ROOT / "services" / name for name in ("operations", *PLANES)} | {
    "voice-contract": ROOT / "proto"
}


def project(name: str) -> dict[str, Any]:
    """The [project] table of a package of the house, by the name of its distribution."""
    found: dict[str, Any] = tomllib.loads((OWN[name] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def needed(root: str, without: set[str]) -> set[str]:
    """Names of everything the package `root` needs, by the house's own files and by what is installed; not its own."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found or name in without:
            continue
        found.add(name)
        lines = project(name)["dependencies"] if name in OWN else importlib.metadata.requires(name)
        waiting += [
            canonicalize_name(requirement.name)
            for requirement in map(Requirement, lines or [])
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    return found - set(OWN)


def listed(plane: str) -> list[str]:
    text = (DEPLOY / "requirements" / f"{plane}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("plane", PLANES)
def test_an_image_installs_what_its_service_needs_and_nothing_else(plane: str) -> None:
    expected = needed(f"voice-{plane}", LEFT_OUT[plane])
    assert listed(plane) == sorted(expected), (
        f"deploy/requirements/{plane}.txt: add {sorted(expected - set(listed(plane)))}, "
        f"remove {sorted(set(listed(plane)) - expected)}"
    )


@pytest.mark.parametrize("plane", PLANES)
def test_every_package_of_an_image_has_a_pinned_version(plane: str) -> None:
    text = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    pinned = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    assert not set(listed(plane)) - pinned
    assert {"pip", "setuptools"} <= pinned, "the recipes take their versions from there"


@pytest.mark.parametrize("plane", PLANES)
def test_the_service_is_not_run_by_root(plane: str) -> None:
    assert recipe(plane).final("USER") == ["10001:10001"]
    created = [step for step in recipe(plane).final("RUN") if "useradd --uid 10001 " in step]
    assert len(created) == 1


@pytest.mark.parametrize("plane", PLANES)
def test_the_image_starts_the_service_and_stops_it_kindly(plane: str) -> None:
    image = recipe(plane)
    (entry,), (words,) = image.final("ENTRYPOINT"), image.final("CMD")
    assert json_words(entry)[0] in project(f"voice-{plane}")["scripts"]
    assert json_words(words) == ["serve"]
    assert image.final("STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize("plane", PLANES)
def test_nothing_that_compiles_is_shipped(plane: str) -> None:
    shipped = " ".join(recipe(plane).final("RUN"))
    assert not re.search(r"\b(gcc|g\+\+|make|cmake|git|build-essential)\b", shipped)
    assert "venv --without-pip /opt/venv" in " ".join(recipe(plane).all("RUN"))


@pytest.mark.parametrize("plane", PLANES)
def test_every_copied_file_is_there_and_in_the_build_context(plane: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for argument in recipe(plane).all("COPY"):
        *sources, _ = (word for word in argument.split() if not word.startswith("--"))
        if argument.startswith("--from="):
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert PurePosixPath(source).parts[0] in let_in, source


def test_the_recipes_stand_on_the_same_base() -> None:
    bases = {recipe(plane).all("ARG")[0] for plane in PLANES}
    assert bases == {"BASE=python:3.11-slim-bookworm"}
    for plane in PLANES:
        assert all(stage.split(" AS ")[0] in ("${BASE}", "build") for stage in recipe(plane).all("FROM"))


def test_the_weights_of_every_shipped_placement_are_baked_in() -> None:
    arguments = dict(argument.partition("=")[::2] for argument in recipe("inference").all("ARG"))
    baked = set(arguments["PLACEMENTS"].strip('"').split())
    shipped = {path.stem for folder in ("configs/inference", "deploy/placements") for path in (ROOT / folder).iterdir()}
    # gpu-4gb needs the weights of ollama.yaml, and a GPU that these images have no engines for.
    assert baked == shipped - {"gpu-4gb"}
