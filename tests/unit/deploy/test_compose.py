"""The compose file against what it stands on: the commands, their options and variables, the images, the files."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.deployment import (
    DEPLOY,
    PLANES,
    address_default,
    command_of,
    compose,
    documents,
    options_in,
    options_of,
    port,
    recipe,
    seconds,
    services,
    variables_of,
)

from voice_inference.catalogue.table import CATALOGUE
from voice_inference.placement.model import Listen, load_placement

OWN = ("identities", "inference", "orchestrator", "call")
GRPC_OPTION = {"orchestrator": "--listen", "inference": "--grpc"}
# Read by the CLI itself or by libraries, not by an option of the command.
OTHER_VARIABLES = {"VOICE_AGENT_PLACEMENT", "VOICE_AGENT_PROFILES", "VOICE_AGENT_MODELS"}


def serve_of(plane: str) -> Any:
    return command_of(f"voice-{plane}", "serve")


def mounts(service: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Source and mode by the path in the container."""
    found = {}
    for volume in service.get("volumes", []):
        source, target, *mode = volume.rsplit(":ro", 1)[0].rsplit(":", 1)
        found[target] = (source, "ro" if volume.endswith(":ro") else "rw")
        assert not mode
    return found


@pytest.mark.parametrize("plane", PLANES)
def test_every_option_of_a_service_exists(plane: str) -> None:
    words = services()[plane]["command"]
    assert words[0] == "serve"
    unknown = set(options_in(words)) - options_of(serve_of(plane))
    assert not unknown


def test_every_option_of_a_call_exists() -> None:
    service = services()["call"]
    program, name, *words = service["entrypoint"]
    call = command_of(program, name)
    assert not set(options_in([*words, *service["command"]])) - options_of(call)
    assert not set(service["environment"]) - variables_of(call)


@pytest.mark.parametrize("plane", PLANES)
def test_every_variable_of_a_service_is_read(plane: str) -> None:
    given = {name for name in services()[plane]["environment"] if name.startswith("VOICE_AGENT_")}
    unknown = given - variables_of(serve_of(plane)) - OTHER_VARIABLES
    assert not unknown


def test_ports_are_the_defaults_of_the_code() -> None:
    orchestrator, listen = serve_of("orchestrator"), Listen()
    expected = {
        "orchestrator": {
            "--listen": port(address_default(orchestrator, "--listen")),
            "--http": port(address_default(orchestrator, "--http")),
        },
        "inference": {"--grpc": port(listen.grpc), "--http": port(listen.http)},
    }
    for plane, ports in expected.items():
        words = options_in(services()[plane]["command"])
        assert {option: port(words[option]) for option in ports} == ports
        exposed = {int(number) for line in recipe(plane).final("EXPOSE") for number in line.split()}
        assert exposed == set(ports.values())


def test_the_planes_find_each_other() -> None:
    node, edges = services()["inference"], services()["orchestrator"]
    grpc = port(options_in(node["command"])["--grpc"])
    assert edges["environment"]["VOICE_AGENT_INFERENCE"] == f"inference:{grpc}"
    assert set(node["networks"]) & set(edges["networks"]) == {"planes"}
    words = options_in(services()["call"]["entrypoint"])
    assert words["--connect"] == f"orchestrator:{port(options_in(edges['command'])['--listen'])}"
    assert services()["call"]["networks"] == ["edges"]


def test_nothing_is_published_beyond_loopback() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(published) == {"orchestrator", "prometheus", "grafana"}
    for ports in published.values():
        assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", entry) for entry in ports), ports


def test_what_hears_callers_has_no_way_out() -> None:
    networks = compose()["networks"]
    inside = {name for name, network in networks.items() if network.get("internal")}
    assert set(services()["inference"]["networks"]) <= inside
    assert services()["identities"]["network_mode"] == "none"
    assert not set(services()["ollama"]["networks"]) & set(services()["orchestrator"]["networks"])


@pytest.mark.parametrize("name", sorted(services()))
def test_every_container_is_hardened(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] > 0
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service)
    assert not any("docker.sock" in volume for volume in service["volumes"])
    if name in OWN:
        assert "user" not in service, "the image's user is not root"


@pytest.mark.parametrize("name", sorted(services()))
def test_every_image_is_built_here_or_pinned(name: str) -> None:
    service = services()[name]
    if "build" in service:
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        plane = "inference" if name == "inference" else "orchestrator"
        assert service["image"].startswith(f"voice-agent/{plane}:")
        declared = {argument.partition("=")[0] for argument in recipe(plane).all("ARG")}
        assert not set(service["build"]["args"]) - declared
        assert service["build"]["args"]["BASE"] == dict(
            argument.partition("=")[::2] for argument in recipe(plane).all("ARG")
        ).get("BASE")
    else:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])


def test_every_network_and_volume_is_declared_and_used() -> None:
    used_networks = {network for service in services().values() for network in service.get("networks", [])}
    assert used_networks == set(compose()["networks"])
    named = {
        source
        for service in services().values()
        for source, _ in mounts(service).values()
        if not source.startswith((".", "/"))
    }
    assert named == set(compose()["volumes"])


def test_every_mounted_path_is_there() -> None:
    for service in services().values():
        for source, mode in mounts(service).values():
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
                assert mode == "ro"


def test_each_service_sees_its_own_identity_only() -> None:
    holders: dict[str, set[str]] = {}
    for name, service in services().items():
        for source, mode in mounts(service).values():
            if source == "authority" or source.endswith("-identity"):
                holders.setdefault(source, set()).add(name)
                assert (mode == "rw") == (name == "identities")
    assert holders == {
        "authority": {"identities"},
        "orchestrator-identity": {"identities", "orchestrator"},
        "inference-identity": {"identities", "inference"},
        "edge-identity": {"identities", "call"},
        "operator-identity": {"identities", "prometheus"},
    }


def test_every_file_of_an_identity_is_made() -> None:
    script = (DEPLOY / "identities.sh").read_text(encoding="utf-8")
    folders = {
        "orchestrator": "orchestrator",
        "inference": "inference",
        "call": "edge",
    }
    for name, folder in folders.items():
        for value in services()[name]["environment"].values():
            if value.startswith("/identities/"):
                file = Path(value).name
                stem, suffix = Path(file).stem, Path(file).suffix
                made = f"give {folder} {file}" in script or file == "ca.crt"
                made = made or (stem == folder and f'give "$name" "$name{suffix}"' in script)
                assert made, f"{folder}/{file}"


@pytest.mark.parametrize("plane", PLANES)
def test_a_drain_has_its_time(plane: str) -> None:
    service = services()[plane]
    drain_s = float(options_in(service["command"])["--drain-seconds"])
    assert seconds(service["stop_grace_period"]) >= drain_s + 5


def test_the_orchestrator_is_stopped_before_its_nodes() -> None:
    assert "inference" in services()["orchestrator"]["depends_on"]
    assert "orchestrator" not in services()["inference"]["depends_on"]


@pytest.mark.parametrize("plane", PLANES)
def test_health_is_asked_where_it_is_served(plane: str) -> None:
    (asked,) = recipe(plane).final("HEALTHCHECK")
    http = port(options_in(services()[plane]["command"])["--http"])
    assert asked.endswith(f'CMD ["python", "/app/health.py", "{http}"]')
    assert seconds(services()[plane]["healthcheck"]["start_period"]) >= 60


@pytest.mark.parametrize("name", sorted(services()))
def test_dependencies_and_conditions_can_be_met(name: str) -> None:
    for other, terms in services()[name].get("depends_on", {}).items():
        needed = services()[other]
        assert set(needed.get("profiles", [])) <= set(services()[name].get("profiles", []))
        if terms["condition"] == "service_healthy":
            assert "disable" not in needed["healthcheck"]
        if terms["condition"] == "service_completed_successfully":
            assert needed["restart"] == "no"


def test_profiles_are_those_that_are_documented() -> None:
    profiles = {profile for service in services().values() for profile in service.get("profiles", [])}
    assert profiles == {"call", "ollama", "observability"}
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert all(f"`{profile}`" in guide for profile in profiles - {"call"})
    assert "docker compose -f deploy/docker-compose.yml run --rm call" in guide


def test_the_overlay_for_gpus_gives_them_to_ollama_alone() -> None:
    (overlay,) = documents(DEPLOY / "docker-compose.gpu.yml")
    (device,) = overlay["services"].pop("ollama")["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert not overlay["services"]


def test_placements_of_the_image_are_whole() -> None:
    placement = load_placement(DEPLOY / "placements" / "ollama.yaml")
    host = str(placement.engines.llm.options["host"])
    assert placement.engines.llm.model == services()["ollama"]["environment"]["OLLAMA_MODEL"]
    assert host.endswith(services()["ollama"]["environment"]["OLLAMA_HOST"].rpartition(":")[2])
    assert host.startswith("http://ollama:")
    assert services()["inference"]["environment"]["VOICE_AGENT_PLACEMENT"] == "/app/placements/cpu-2core.yaml"


def test_settings_of_the_env_file_are_used() -> None:
    text = (DEPLOY / ".env").read_text(encoding="utf-8")
    offered = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)) - {"COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES"}
    source = (DEPLOY / "docker-compose.yml").read_text(encoding="utf-8")
    assert offered == set(re.findall(r"\$\{([A-Z_]+):-", source)) - {"BASE", "VERSION"}


SIZE_UNITS = {"m": 1_000_000, "Mi": 1 << 20}


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_there_is_room_for_weights_in_another_precision(where: str) -> None:
    """They are made in the temporary folder when the node starts."""
    if where == "compose":
        (mount,) = services()["inference"]["tmpfs"]
        size = re.fullmatch(r"/tmp:size=(\d+)(m)", mount)
    else:
        manifests = documents(DEPLOY / "k8s" / "base" / "inference.yaml")
        volumes = next(each for each in manifests if each["kind"] == "Deployment")
        mounted = {each["name"]: each for each in volumes["spec"]["template"]["spec"]["volumes"]}
        size = re.fullmatch(r"(\d+)(Mi)", mounted["tmp"]["emptyDir"]["sizeLimit"])
    assert size is not None
    placement = load_placement(DEPLOY.parent / "configs" / "inference" / "cpu-2core.yaml")
    llm = placement.engines.llm
    assert llm.precision
    # Five bits a weight and a scale for 32, where the file has four and two: a tenth more.
    weights = CATALOGUE.get(llm.model).size_bytes
    assert int(size[1]) * SIZE_UNITS[size[2]] > 1.3 * weights
