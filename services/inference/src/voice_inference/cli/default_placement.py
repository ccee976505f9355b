"""Which placement file is meant when none is named."""

import os
from pathlib import Path
from typing import Final

from voice_operations.operator_error import OperatorError

NAME: Final = "cpu-2core.yaml"


def default_placement() -> Path:
    """$VOICE_AGENT_PLACEMENT, configs/inference/cpu-2core.yaml here, or the one of the checkout this package is in."""
    if named := os.environ.get("VOICE_AGENT_PLACEMENT"):
        return Path(named)
    candidates = [Path("configs/inference") / NAME]
    candidates += [parent / "configs" / "inference" / NAME for parent in Path(__file__).resolve().parents]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise OperatorError("no placement file: name one with --placement, or set VOICE_AGENT_PLACEMENT")
