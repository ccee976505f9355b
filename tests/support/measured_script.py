"""The metrics of a session that was driven by hand."""

from support.session_script import Script

from voice_orchestrator.service.metrics import ServiceMetrics
from voice_orchestrator.service.session_metrics import SessionMetrics


def value_of(metrics: ServiceMetrics, name: str, **labels: str) -> float:
    """One sample; 0 for one that is not there."""
    return metrics.registry.get_sample_value(name, labels) or 0.0


class Measured:
    """What the steps of a script do to metrics; `metrics` may be shared with other sessions."""

    def __init__(self, script: Script, metrics: ServiceMetrics | None = None, profile: str = "clinic") -> None:
        self.metrics = metrics or ServiceMetrics()
        self.session = SessionMetrics(self.metrics, profile)
        self._script = script
        self._seen = 0
        self.catch_up()

    def catch_up(self) -> "Measured":
        """Brings the steps since the last time."""
        for event, transition in self._script.log[self._seen :]:
            self.session.on_transition(event, transition)
        self._seen = len(self._script.log)
        return self

    def value(self, name: str, **labels: str) -> float:
        return value_of(self.metrics, name, **labels)

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """Every sample of a name that is not 0, by the values of its labels."""
        return {
            tuple(sample.labels.values()): sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == name and sample.value
        }
