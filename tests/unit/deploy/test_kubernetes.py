"""The manifests: each by its published schema, all by what they name, and by what a call needs of them."""

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from support.deployment import (
    DEPLOY,
    K8S,
    PLANES,
    ROOT,
    command_of,
    documents,
    options_in,
    options_of,
    port,
    services,
    variables_of,
)

from voice_inference.server.metrics import NodeMetrics
from voice_orchestrator.service.metrics import ServiceMetrics

# It has the schemas, and no types.
kubernetes_validate = importlib.import_module("kubernetes_validate")

BASE = K8S / "base"
EXAMPLE = K8S / "overlays" / "example"
OLDEST, NEWEST = "1.30", "1.37"
"""preStop.sleep is on by default from 1.30."""

NOT_OF_KUBERNETES = {"PodMonitor"}
"""Kinds a cluster gets from an operator; no schema of Kubernetes knows them."""

MARGIN_S = 10


@cache
def base() -> tuple[dict[str, Any], ...]:
    (kustomization,) = documents(BASE / "kustomization.yaml")
    return tuple(documents(*(BASE / name for name in kustomization["resources"])))


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in base() if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def workload(plane: str) -> dict[str, Any]:
    return named({"orchestrator": "StatefulSet", "inference": "Deployment"}[plane], plane)


def pod(plane: str) -> dict[str, Any]:
    found: dict[str, Any] = workload(plane)["spec"]["template"]["spec"]
    return found


def container(plane: str) -> dict[str, Any]:
    (found,) = pod(plane)["containers"]
    assert isinstance(found, dict)
    return found


def of_schema(document: dict[str, Any]) -> None:
    """Raises when a document is not what two versions of Kubernetes take."""
    if document["kind"] not in NOT_OF_KUBERNETES:
        for version in (OLDEST, NEWEST):
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("document", base(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_a_manifest_is_of_its_schema(document: dict[str, Any]) -> None:
    assert document["kind"] not in NOT_OF_KUBERNETES, "the base needs no operator"
    of_schema(document)


def test_a_manifest_that_is_not_of_its_schema_is_found() -> None:
    wrong = {**named("PodDisruptionBudget", "inference"), "spec": {"maxUnavailabel": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        of_schema(wrong)


def test_every_file_of_the_base_is_in_it() -> None:
    (kustomization,) = documents(BASE / "kustomization.yaml")
    assert {path.name for path in BASE.iterdir()} == {"kustomization.yaml", *kustomization["resources"]}


@pytest.mark.parametrize("plane", PLANES)
def test_a_plane_is_run_as_compose_runs_it(plane: str) -> None:
    args, composed = container(plane)["args"], services()[plane]
    serve = command_of(f"voice-{plane}", "serve")
    assert args[0] == "serve"
    assert not set(options_in(args)) - options_of(serve)
    listening = {name: value for name, value in options_in(args).items() if name != "--drain-seconds"}
    assert listening == {name: options_in(composed["command"])[name] for name in listening}
    variables = {entry["name"]: entry["value"] for entry in container(plane)["env"]}
    assert not set(variables) - variables_of(serve)
    shared = set(variables) & set(composed["environment"])
    assert {name: variables[name] for name in shared} == {name: composed["environment"][name] for name in shared}
    assert {name for name in composed["environment"] if "TLS" in name or "TOKEN" in name} <= set(variables)
    assert container(plane)["image"] == composed["image"].partition(":")[0]


@pytest.mark.parametrize("plane", PLANES)
def test_ports_carry_the_names_that_are_used(plane: str) -> None:
    ports = {entry["name"]: entry["containerPort"] for entry in container(plane)["ports"]}
    addresses = options_in(container(plane)["args"])
    grpc = addresses.get("--grpc") or addresses["--listen"]
    assert ports == {"grpc": port(grpc), "http": port(addresses["--http"])}
    for entry in named("Service", plane)["spec"]["ports"]:
        assert ports[entry["targetPort"]] == entry["port"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container(plane)[probe]["httpGet"]
        assert asked["port"] == "http"
        assert asked["scheme"] == "HTTPS"
        assert asked["path"] in ("/healthz", "/readyz")
    assert container(plane)["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container(plane)["livenessProbe"]["httpGet"]["path"] == "/healthz", "a node that drains must live"


@pytest.mark.parametrize("plane", PLANES)
def test_sessions_are_spread_by_those_who_open_them(plane: str) -> None:
    service = named("Service", plane)["spec"]
    assert service["clusterIP"] == "None"
    assert not service.get("publishNotReadyAddresses", False)
    assert service["selector"].items() <= workload(plane)["spec"]["template"]["metadata"]["labels"].items()


def test_orchestrators_look_for_nodes_under_the_name_of_their_service() -> None:
    variables = {entry["name"]: entry["value"] for entry in container("orchestrator")["env"]}
    host, _, number = variables["VOICE_AGENT_INFERENCE"].partition(":")
    assert int(number) in {entry["port"] for entry in named("Service", host)["spec"]["ports"]}


@pytest.mark.parametrize("plane", PLANES)
def test_a_drain_has_its_time(plane: str) -> None:
    lifecycle = container(plane)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = float(options_in(container(plane)["args"])["--drain-seconds"])
    assert pod(plane)["terminationGracePeriodSeconds"] >= lifecycle + drain_s + MARGIN_S


@pytest.mark.parametrize("plane", PLANES)
def test_pods_are_chosen_by_labels_they_have(plane: str) -> None:
    labels = workload(plane)["spec"]["template"]["metadata"]["labels"]
    assert workload(plane)["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert named("PodDisruptionBudget", plane)["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert named("PodDisruptionBudget", plane)["spec"]["maxUnavailable"] == 1
    for constraint in pod(plane)["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()
    assert named("NetworkPolicy", plane)["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert named("ServiceAccount", pod(plane)["serviceAccountName"])["automountServiceAccountToken"] is False


def test_a_node_is_replaced_before_it_goes() -> None:
    assert workload("inference")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("plane", PLANES)
def test_pods_have_no_right_they_do_not_need(plane: str) -> None:
    assert pod(plane)["automountServiceAccountToken"] is False
    rights = pod(plane)["securityContext"]
    assert rights["runAsNonRoot"] is True
    assert rights["runAsUser"] == rights["runAsGroup"] == rights["fsGroup"] == 10001
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(plane)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod(plane))
    labels = named("Namespace", "voice-agent")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("plane", PLANES)
def test_every_volume_is_there_and_secrets_are_those_of_the_guide(plane: str) -> None:
    claims = {claim["metadata"]["name"] for claim in workload(plane)["spec"].get("volumeClaimTemplates", [])}
    volumes = {volume["name"]: volume for volume in pod(plane)["volumes"]}
    assert {mount["name"] for mount in container(plane)["volumeMounts"]} == set(volumes) | claims
    secret = volumes["identities"]["secret"]["secretName"]
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert f"create secret generic {secret} --from-file=identities/{plane}" in guide
    # Others may not read it, or the services refuse it.
    assert volumes["identities"]["secret"]["defaultMode"] & 0o007 == 0


def test_the_volume_of_records_is_larger_than_they_may_grow() -> None:
    (claim,) = workload("orchestrator")["spec"]["volumeClaimTemplates"]
    size_gib = float(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
    (limit,) = (one for one in command_of("voice-orchestrator", "serve").params if "--max-total-gib" in one.opts)
    assert size_gib >= 1.2 * float(str(limit.default))


def ports_allowed(rules: list[dict[str, Any]]) -> Iterator[str]:
    for rule in rules:
        for entry in rule["ports"]:
            yield entry["port"]


def test_nodes_call_nobody() -> None:
    deny = named("NetworkPolicy", "nothing")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    node = named("NetworkPolicy", "inference")["spec"]
    assert "egress" not in node
    assert list(ports_allowed(node["ingress"])) == ["grpc", "http"]
    assert list(ports_allowed(named("NetworkPolicy", "orchestrator")["spec"]["egress"])) == ["grpc", 53, 53]


@pytest.mark.parametrize("plane", PLANES)
def test_their_number_follows_sessions_over_capacity(plane: str) -> None:
    scaler = named("HorizontalPodAutoscaler", plane)["spec"]
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["apiVersion"]) == (workload(plane)["kind"], workload(plane)["apiVersion"])
    assert "replicas" not in workload(plane)["spec"], "two would fight over their number"
    assert scaler["minReplicas"] >= 2
    rules = {rule["name"]["as"]: rule for rule in documents_of_the_adapter()}
    for metric in scaler["metrics"]:
        assert metric["pods"]["metric"]["name"] in rules


def documents_of_the_adapter() -> list[dict[str, Any]]:
    (rules,) = documents(EXAMPLE / "metrics-adapter.yaml")
    assert isinstance(rules, list)
    return rules


def test_the_adapter_asks_for_metrics_that_exist() -> None:
    registries = (NodeMetrics().registry, ServiceMetrics().registry)
    exposed = {sample.name for registry in registries for family in registry.collect() for sample in family.samples}
    made = {rule["name"]["as"] for rule in documents_of_the_adapter()}
    text = (EXAMPLE / "metrics-adapter.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\bvoice_\w+", text)) - made <= exposed


def test_the_monitors_scrape_with_a_secret_of_the_guide() -> None:
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert "create secret generic operator-identity --from-file=identities/operator" in guide
    for monitor in documents(K8S / "components" / "pod-monitors" / "pod-monitors.yaml"):
        plane = monitor["metadata"]["name"]
        labels = workload(plane)["spec"]["template"]["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in {entry["name"] for entry in container(plane)["ports"]}
        assert endpoint["tlsConfig"]["serverName"] == plane


def test_the_example_patches_what_is_there() -> None:
    (overlay,) = documents(EXAMPLE / "kustomization.yaml")
    assert {image["name"] for image in overlay["images"]} == {container(plane)["image"] for plane in PLANES}
    for patch in overlay["patches"]:
        (change,) = documents(EXAMPLE / patch["path"])
        assert named(change["kind"], change["metadata"]["name"])
    for entry in overlay["resources"] + overlay["components"]:
        assert (EXAMPLE / entry / "kustomization.yaml").is_file()


def test_the_example_is_whole_when_it_is_put_together() -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl, which puts overlays together, is not installed")
    done = subprocess.run([program, "kustomize", EXAMPLE], cwd=ROOT, capture_output=True, text=True, check=True)
    rendered = list(yaml.safe_load_all(done.stdout))
    assert {one["kind"] for one in rendered} > {one["kind"] for one in base()}
    for one in rendered:
        of_schema(one)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "voice-agent"
    (orchestrator,) = (one for one in rendered if one["kind"] == "StatefulSet")
    (shipped,) = orchestrator["spec"]["template"]["spec"]["containers"]
    assert shipped["image"].startswith("registry.example/")
    assert "/app/profiles" in {mount["mountPath"] for mount in shipped["volumeMounts"]}
