"""What a placement says of one engine, with its weights, as the registry makes engines from it."""

from voice_contract.failures import Stage
from voice_inference.catalogue.store import ModelStore
from voice_inference.engines.registry import ENGINES, EngineSpec
from voice_inference.placement.resolve import ResolvedPlacement


def engine_spec(resolved: ResolvedPlacement, store: ModelStore, stage: Stage) -> EngineSpec:
    """The spec of a stage that has an engine; hashes its weights, raises VoiceAgentError when they are not right."""
    engine = resolved.engine(stage)
    placed = engine.placed
    embedded = ENGINES[stage, placed.engine].embedded
    return EngineSpec(
        stage=stage,
        engine=placed.engine,
        model=placed.model,
        model_dir=store.verified_dir(placed.model) if embedded else None,
        device=engine.device,
        threads=placed.threads,
        precision=placed.precision,
        options=placed.options,
    )
