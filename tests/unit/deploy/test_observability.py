"""Prometheus and Grafana: they look where the services are, with what they are given."""

import json
from typing import Any

from support.deployment import DEPLOY, documents, options_in, port, services

PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
PROVISIONING = DEPLOY / "grafana" / "provisioning"


def jobs() -> dict[str, dict[str, Any]]:
    (settings,) = documents(PROMETHEUS)
    return {job["job_name"]: job for job in settings["scrape_configs"]}


def mounted(name: str) -> dict[str, str]:
    """What is mounted into a service, by the path in the container."""
    return dict(volume.removesuffix(":ro").split(":")[::-1] for volume in services()[name]["volumes"])


def test_both_planes_are_scraped_at_their_ports() -> None:
    assert set(jobs()) == {"orchestrator", "inference"}
    for name, job in jobs().items():
        (found,) = job["dns_sd_configs"]
        assert found["names"] == [name]
        assert found["port"] == port(options_in(services()[name]["command"])["--http"])
        assert job.get("metrics_path", "/metrics") == "/metrics"


def test_scrapes_prove_who_they_are_and_know_whom_they_ask() -> None:
    script = (DEPLOY / "identities.sh").read_text(encoding="utf-8")
    for name, job in jobs().items():
        assert job["scheme"] == "https"
        assert job["tls_config"] == {"ca_file": "/identities/ca.crt", "server_name": name}
        assert job["authorization"] == {"credentials_file": "/identities/bearer"}
    assert mounted("prometheus")["/identities"] == "operator-identity"
    assert "give operator bearer" in script
    group = services()["prometheus"]["user"].partition(":")[2]
    assert group == "10001", "the group that may read the identities"


def test_prometheus_reads_its_files_where_they_are_mounted() -> None:
    words = options_in(services()["prometheus"]["command"])
    folder = mounted("prometheus")["/etc/prometheus"]
    assert words["--config.file"] == "/etc/prometheus/prometheus.yml"
    assert (DEPLOY / folder / "prometheus.yml").is_file()
    assert mounted("prometheus")[words["--storage.tsdb.path"]] == "prometheus-data"
    (settings,) = documents(PROMETHEUS)
    assert settings["rule_files"] == ["rules/*.yml"]


def test_prometheus_is_in_the_network_of_the_planes_and_grafana_is_not() -> None:
    assert "planes" in services()["prometheus"]["networks"]
    assert services()["grafana"]["networks"] == ["observability"]


def test_grafana_asks_prometheus_and_finds_its_dashboards() -> None:
    (sources,) = documents(PROVISIONING / "datasources" / "prometheus.yml")
    (source,) = sources["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (providers,) = documents(PROVISIONING / "dashboards" / "files.yml")
    (provider,) = providers["providers"]
    assert mounted("grafana")[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounted("grafana")["/etc/grafana/provisioning"] == "./grafana/provisioning"


def test_dashboards_name_the_source_that_is_provided() -> None:
    (sources,) = documents(PROVISIONING / "datasources" / "prometheus.yml")
    uid = sources["datasources"][0]["uid"]
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8")).get("panels", []):
            named = panel.get("datasource", {}).get("uid", uid)
            assert named == uid or named.startswith("$"), path.name


def test_nothing_of_grafana_calls_home() -> None:
    settings = services()["grafana"]["environment"]
    for name in ("REPORTING_ENABLED", "CHECK_FOR_UPDATES", "CHECK_FOR_PLUGIN_UPDATES"):
        assert settings[f"GF_ANALYTICS_{name}"] == "false"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
