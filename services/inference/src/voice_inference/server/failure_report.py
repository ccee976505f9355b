"""How the work of a session tells its orchestrator, the metrics and the log what failed."""

import structlog

from voice_contract.failures import Failure, FailureReason, Stage, VoiceAgentError
from voice_inference.server.metrics import NodeMetrics
from voice_inference.server.outbox import OrchestratorStuckError, Outbox

log = structlog.get_logger(__name__)


class FailureReport:
    """Sends failures of one session."""

    def __init__(self, outbox: Outbox, metrics: NodeMetrics) -> None:
        self._outbox = outbox
        self._metrics = metrics

    def refuse(self, detail: str, stage: Stage, *, run_id: int = 0, utterance_id: int = 0) -> None:
        """Answers a command that breaks the contract; `detail` names the field and the rule.

        The run or the utterance is over by that: one of them has to be named, and the session goes on.
        """
        reason = FailureReason.INVALID_MESSAGE
        self.send(Failure(stage=stage, reason=reason, detail=detail, utterance_id=utterance_id), run_id)

    def send(self, failure: Failure, run_id: int = 0) -> None:
        """Counts a failure and sends it without waiting."""
        self._count(failure)
        self._outbox.put_now(failure, run_id)

    async def report(self, error: Exception, stage: Stage, *, run_id: int = 0, utterance_id: int = 0) -> None:
        """Sends what failed while working; an unexpected error is logged with its traceback.

        Raises an OrchestratorStuckError on: there is nobody to tell.
        """
        if isinstance(error, OrchestratorStuckError):
            raise error
        about = {name: number for name, number in (("turn", utterance_id), ("run", run_id)) if number}
        if isinstance(error, VoiceAgentError):
            failure = Failure(
                stage=error.failure.stage,
                reason=error.failure.reason,
                detail=error.failure.detail,
                utterance_id=utterance_id,
            )
            log.warning("work_failed", stage=stage.value, reason=failure.reason.value, detail=failure.detail, **about)
        else:
            detail = f"{type(error).__name__} in the {stage.value} engine"
            failure = Failure(stage=stage, reason=FailureReason.ENGINE_ERROR, detail=detail, utterance_id=utterance_id)
            log.error("engine_error", stage=stage.value, exc_info=error, **about)
        self._count(failure)
        await self._outbox.put(failure, run_id)

    def _count(self, failure: Failure) -> None:
        self._metrics.failures.labels(failure.stage.value, failure.reason.value).inc()
