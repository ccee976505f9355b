"""Decides whether a machine can carry a placement, and where `auto` goes. Refusals say what mends them."""

from collections import defaultdict
from dataclasses import dataclass

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.engines.registry import require_installed
from voice_inference.placement.machine import Gpu, MachineProbe
from voice_inference.placement.model import EnginePlacement, Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedEngine:
    """An engine on a device that exists."""

    stage: Stage
    placed: EnginePlacement
    device: str
    embedded: bool
    """Whether it runs in the node's process."""

    @property
    def threads_here(self) -> int:
        """Threads it computes with on the cores of this machine; 0 when it computes elsewhere."""
        return self.placed.threads if self.embedded and self.device == "cpu" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPlacement:
    """A placement this machine can carry."""

    placement: Placement
    engines: tuple[ResolvedEngine, ...]
    warnings: tuple[str, ...]

    def engine(self, stage: Stage) -> ResolvedEngine:
        """The engine of a stage that has one."""
        return next(engine for engine in self.engines if engine.stage is stage)

    def has(self, stage: Stage) -> bool:
        """Whether there is an engine for a stage."""
        return any(engine.stage is stage for engine in self.engines)

    def describe_lines(self) -> tuple[str, ...]:
        """One line per engine, for people."""
        return tuple(
            f"{engine.stage.value}: {engine.placed.engine} {engine.placed.model} on {engine.device}, "
            f"{engine.placed.threads} thread{'s' if engine.placed.threads > 1 else ''}, {engine.placed.memory_mb} MB"
            for engine in self.engines
        )


def resolve(placement: Placement, machine: MachineProbe) -> ResolvedPlacement:
    """Places every engine; raises VoiceAgentError with the arithmetic or the command when it cannot be done."""
    gpus: tuple[Gpu, ...] | None = None
    engines: list[ResolvedEngine] = []
    for stage, placed in placement.engines.by_stage():
        entry = require_installed(stage, placed.engine)
        if unknown := sorted(set(placed.options) - entry.options):
            known = ", ".join(sorted(entry.options)) or "none"
            raise _refused(stage, f"engines.{stage.value}.options.{unknown[0]}: unknown option; known: {known}")
        device = placed.device
        if device == "auto" or device.startswith("cuda"):
            gpus = machine.gpus() if gpus is None else gpus
            device = _gpu_device(stage, placed, gpus)
        engines.append(ResolvedEngine(stage=stage, placed=placed, device=device, embedded=entry.embedded))
    _check_memory(engines, machine, gpus or ())
    cores = machine.cores()
    warnings = tuple(
        f"engines.{engine.stage.value}.threads: {engine.placed.threads} threads on {cores} cores will get in each "
        "other's way"
        for engine in engines
        if engine.placed.threads > cores
    )
    return ResolvedPlacement(placement=placement, engines=tuple(engines), warnings=warnings)


def _gpu_device(stage: Stage, placed: EnginePlacement, gpus: tuple[Gpu, ...]) -> str:
    if placed.device == "auto":
        best = max(range(len(gpus)), key=lambda index: gpus[index].free_mb, default=None)
        return "cpu" if best is None or gpus[best].free_mb < placed.memory_mb else f"cuda:{best}"
    index = int(placed.device.partition(":")[2])
    if index < len(gpus):
        return placed.device
    have = "torch sees no GPU" if not gpus else f"torch sees {len(gpus)} GPU(s), counted from 0"
    raise _refused(
        stage,
        f"engines.{stage.value}.device: {placed.device} is not there, {have}; use cpu or auto, "
        "or choose configs/inference/cpu-2core.yaml",
    )


def _check_memory(engines: list[ResolvedEngine], machine: MachineProbe, gpus: tuple[Gpu, ...]) -> None:
    wanted: dict[str, list[ResolvedEngine]] = defaultdict(list)
    for engine in engines:
        if engine.device != "remote" and engine.placed.memory_mb:
            wanted[engine.device].append(engine)
    for device, users in wanted.items():
        free_mb = machine.available_mb() if device == "cpu" else gpus[int(device.partition(":")[2])].free_mb
        total_mb = sum(user.placed.memory_mb for user in users)
        if total_mb > free_mb:
            terms = " + ".join(f"{user.stage.value} {user.placed.memory_mb}" for user in users)
            largest = max(users, key=lambda user: user.placed.memory_mb)
            raise _refused(
                largest.stage,
                f"too little memory on {device}: {terms} = {total_mb} MB, {free_mb} MB are free; "
                f"choose a smaller {largest.stage.value} model or another device for it",
            )


def _refused(stage: Stage, detail: str) -> VoiceAgentError:
    return VoiceAgentError(Failure(stage=stage, reason=FailureReason.ENGINE_ERROR, detail=detail))
