"""Documents of a call on disk."""

import json
import os
from pathlib import Path


def write_json(path: Path, value: object) -> None:
    """Writes a JSON document readable by its owner only, whole or not at all; raises OSError."""
    staged = path.with_name(f".{path.name}.part")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False)
        stream.write("\n")
    staged.replace(path)
