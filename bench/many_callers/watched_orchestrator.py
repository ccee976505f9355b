"""`voice-orchestrator` as it is, that tells the number of its asyncio tasks when it is sent SIGUSR2.

python bench/many_callers/watched_orchestrator.py FILE serve ...
"""

import asyncio
import signal
import sys
from pathlib import Path

from voice_orchestrator.cli.main import main


def tell_tasks(path: Path) -> None:
    """Writes the number into a file, which appears whole."""
    staged = path.with_name(f".{path.name}.part")
    staged.write_text(str(len(asyncio.all_tasks())), encoding="utf-8")
    staged.replace(path)


if __name__ == "__main__":
    told = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR2, lambda *_: tell_tasks(told))
    main()
