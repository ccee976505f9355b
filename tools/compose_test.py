"""`make compose-test`: deploy/docker-compose.yml for real, on the Docker engine of this machine.

Builds the images, brings everything up on free ports beside whatever runs, makes the documented call, kills the node
and waits for its return, stops everything in the middle of a call, and leaves nothing behind but the images.
"""

import argparse
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMPOSE_FILE: Final = ROOT / "deploy" / "docker-compose.yml"
PROJECT: Final = "voice-agent-test"
PLANES: Final = ("orchestrator", "inference")
BUILD_S: Final = 3_600
UP_S: Final = 300
CALL_S: Final = 180
STOP_S: Final = 150
LOG_LINES: Final = "40"
KILL_THE_NODE: Final = """
import os, pathlib
for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
    if comm.read_text().startswith("voice-inference"):
        os.kill(int(comm.parent.name), 9)
"""


class Wrong(Exception):
    """Something is not as it must be."""


def compose_command() -> list[str]:
    """The Compose of this machine, the plugin or the older program."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
        if shutil.which("docker-compose"):
            return ["docker-compose"]
    sys.exit("error: no Docker engine with Compose answers; start one, or set DOCKER_HOST")


def free_port() -> int:
    """A port on loopback nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Stack:
    """The composed services, under a name and on ports of their own."""

    command: list[str]
    profiles: tuple[str, ...]
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: free_port() for name in ("EDGE_PORT", "HTTP_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
        }
    )

    @property
    def environment(self) -> dict[str, str]:
        """What docker-compose.yml lets one choose."""
        ports = {name: str(port) for name, port in self.ports.items()}
        return {**os.environ, **ports, "COMPOSE_PROJECT_NAME": PROJECT, "COMPOSE_PROFILES": ",".join(self.profiles)}

    def words(self, *words: str) -> list[str]:
        """A command line of Compose."""
        return [*self.command, "--file", str(COMPOSE_FILE), *words]

    def run(self, *words: str, timeout_s: float, quiet: bool = True) -> str:
        """Runs Compose; gives what it wrote on standard output. Raises Wrong with all of it when it fails."""
        done = subprocess.run(
            self.words(*words),
            env=self.environment,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if done.returncode != 0:
            raise Wrong(f"compose {words[0]} ended with {done.returncode}\n{done.stdout or ''}{done.stderr or ''}")
        return done.stdout or ""

    def start_call(self) -> "subprocess.Popen[str]":
        """The documented call, as a process."""
        # -T: there is no terminal here.
        return subprocess.Popen(
            self.words("run", "--rm", "-T", "call"),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's one container."""
        identity = self.run("ps", "--all", "--quiet", service, timeout_s=30).split()
        done = subprocess.run(["docker", "inspect", *identity], capture_output=True, text=True, check=True)
        (found,) = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def get(self, path: str, *, bearer: str = "") -> tuple[int, str]:
        """Status and body of a GET to the orchestrator's HTTP port."""
        # Whose certificate it is was checked by the call; here it has another name.
        context = ssl._create_unverified_context()
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        request = urllib.request.Request(f"https://127.0.0.1:{self.ports['HTTP_PORT']}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    """Waits for a condition; raises Wrong naming it when it does not come."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise Wrong(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.25)


def healthy(stack: Stack, service: str) -> bool:
    """Whether a service is healthy; raises Wrong when it never will be."""
    state = stack.inspect(service)["State"]
    if state["Status"] == "exited":
        raise Wrong(f"{service} ended with {state['ExitCode']}")
    return bool(state.get("Health", {}).get("Status") == "healthy")


def bring_up(stack: Stack, *, build: bool) -> None:
    """Builds and starts everything and waits until it is healthy."""
    if build:
        stack.run("build", timeout_s=BUILD_S, quiet=False)
        for plane in PLANES:
            image = f"voice-agent/{plane}:{os.environ.get('VERSION', 'latest')}"
            size = subprocess.run(
                ["docker", "image", "inspect", "--format", "{{.Size}}", image],
                capture_output=True,
                text=True,
                check=True,
            )
            told(f"{image} is built: {int(size.stdout) / 1e6:.0f} MB")
    began_s = time.monotonic()
    stack.run("up", "--detach", timeout_s=UP_S)
    services = [*PLANES, *(("prometheus", "grafana") if "observability" in stack.profiles else ())]
    for service in services:
        wait_until(f"{service} is healthy", lambda service=service: healthy(stack, service), UP_S)  # type: ignore[misc]
    told(f"healthy after {time.monotonic() - began_s:.1f} s: {', '.join(services)}")


def check_walls(stack: Stack) -> None:
    """Who the processes are, what they may write, where they can be reached from and what they can reach."""
    for plane in PLANES:
        found = stack.inspect(plane)
        host, configuration = found["HostConfig"], found["Config"]
        demand(configuration["User"] == "10001:10001", f"{plane} runs as {configuration['User']!r}")
        demand(host["ReadonlyRootfs"], f"{plane}: the file system can be written")
        demand(host["CapDrop"] == ["ALL"] and not host["CapAdd"], f"{plane} has capabilities")
        demand("no-new-privileges:true" in host["SecurityOpt"], f"{plane} may gain privileges")
        bound = [binding for bindings in host["PortBindings"].values() for binding in bindings or []]
        demand(all(binding["HostIp"] == "127.0.0.1" for binding in bound), f"{plane} is published beyond loopback")
    networks = list(stack.inspect("inference")["NetworkSettings"]["Networks"])
    done = subprocess.run(["docker", "network", "inspect", *networks], capture_output=True, text=True, check=True)
    demand(all(network["Internal"] for network in json.loads(done.stdout)), "the node has a network that leads out")
    told("no root, no capabilities, read-only, loopback only; the node has no way out")


def check_doors(stack: Stack) -> str:
    """Who is let in; gives the operators' token."""
    bearer = stack.run(
        "run", "--rm", "-T", "--entrypoint", "cat", "identities", "/identities/operator/bearer", timeout_s=60
    )
    demand(stack.get("/readyz")[0] == 200, "/readyz asks for more than it should")
    demand(stack.get("/metrics")[0] == 401, "/metrics is given to everybody")
    status, metrics = stack.get("/metrics", bearer=bearer)
    demand(status == 200 and "voice_sessions_active" in metrics, "/metrics is not given to an operator")
    told("metrics for operators only")
    return bearer


def check_call(stack: Stack) -> None:
    """The documented command: exit code 0, and an agent that said something."""
    call = stack.start_call()
    said, _ = call.communicate(timeout=CALL_S)
    print("\n".join(f"      {line}" for line in said.splitlines()), flush=True)
    demand(call.returncode == 0, f"the call ended with {call.returncode}")
    told("the call was answered")


def check_return(stack: Stack) -> None:
    """A node that is killed comes back by itself, and calls are taken again."""
    stack.run("exec", "-T", "inference", "python", "-c", KILL_THE_NODE, timeout_s=30)
    began_s = time.monotonic()
    wait_until("not ready without its node", lambda: stack.get("/readyz")[0] == 503, 30)
    wait_until("ready again", lambda: stack.get("/readyz")[0] == 200, UP_S)
    demand(stack.inspect("inference")["RestartCount"] == 1, "the node was not started again")
    told(f"the node was killed and is back; calls are taken again after {time.monotonic() - began_s:.1f} s")


def check_drain(stack: Stack, bearer: str) -> None:
    """Everything is stopped in the middle of a call: the call is finished first, and both planes end well."""
    call = stack.start_call()
    try:
        wait_until(
            "a call is running", lambda: "\nvoice_sessions_active 1.0" in stack.get("/metrics", bearer=bearer)[1], 60
        )
        began_s = time.monotonic()
        stack.run("stop", timeout_s=STOP_S)
        said, _ = call.communicate(timeout=CALL_S)
    finally:
        call.kill()
    demand(call.returncode == 0, f"the call was cut by the stop ({call.returncode}):\n{said}")
    for plane in PLANES:
        code = stack.inspect(plane)["State"]["ExitCode"]
        demand(code == 0, f"{plane} ended with {code}")
    told(f"stopped in the middle of a call, which was finished first: {time.monotonic() - began_s:.1f} s, exit codes 0")


def check_observability(stack: Stack) -> None:
    """Prometheus has both planes, and Grafana the dashboards."""

    def targets_up() -> bool:
        address = f"http://127.0.0.1:{stack.ports['PROMETHEUS_PORT']}/api/v1/targets"
        with urllib.request.urlopen(address, timeout=5) as answer:
            found = json.load(answer)["data"]["activeTargets"]
        return {target["labels"]["job"] for target in found if target["health"] == "up"} == set(PLANES)

    wait_until("Prometheus scrapes both planes", targets_up, 60)
    told("Prometheus scrapes both planes")


def demand(holds: bool, otherwise: str) -> None:
    """Raises Wrong unless it holds."""
    if not holds:
        raise Wrong(otherwise)


def told(line: str) -> None:
    """Says what was found good."""
    print(f"ok    {line}", flush=True)


def try_everything(stack: Stack, *, build: bool) -> None:
    """All checks, one after the other; raises Wrong at the first that fails."""
    bring_up(stack, build=build)
    check_walls(stack)
    bearer = check_doors(stack)
    check_call(stack)
    if "observability" in stack.profiles:
        check_observability(stack)
    check_return(stack)
    check_drain(stack, bearer)


def main() -> int:
    """Exit code: 0 everything is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-build", action="store_true", help="take the images that are there")
    parser.add_argument("--keep", action="store_true", help="leave everything as it is at the end")
    parser.add_argument("--observability", action="store_true", help="with Prometheus and Grafana, which are pulled")
    options = parser.parse_args()
    stack = Stack(compose_command(), ("observability",) if options.observability else ())
    try:
        try_everything(stack, build=not options.no_build)
    except (Wrong, subprocess.TimeoutExpired) as error:
        print(f"wrong {error}", file=sys.stderr)
        subprocess.run(stack.words("logs", "--tail", LOG_LINES), env=stack.environment, check=False)
        return 1
    finally:
        if not options.keep:
            subprocess.run(
                stack.words("down", "--volumes", "--remove-orphans", "--timeout", "5"),
                env=stack.environment,
                capture_output=True,
                check=False,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
