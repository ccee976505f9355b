"""Lints proto/ with buf and refuses changes an old peer would not understand.

`--accept` makes the present contract the baseline that later ones are compared with.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROTO: Final = ROOT / "proto"
BASELINE: Final = PROTO / "baseline.binpb"
DEADLINE_S: Final = 120


def buf(*arguments: str) -> int:
    """Exit code of buf, run in proto/; its findings go to the terminal."""
    command = [str(Path(sys.executable).with_name("buf")), *arguments]
    return subprocess.run(command, cwd=PROTO, timeout=DEADLINE_S, check=False).returncode


def main() -> None:
    """Lints, then compares or accepts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accept", action="store_true", help="make the present contract the baseline")
    options = parser.parse_args()
    if buf("lint") != 0:
        sys.exit("error: the contract breaks a rule of buf lint; see above")
    if options.accept:
        if buf("build", "-o", str(BASELINE)) != 0:
            sys.exit("error: the contract cannot be built; see above")
        print(f"the baseline is now what proto/ says: {BASELINE.relative_to(ROOT)}")
        return
    if buf("breaking", "--against", str(BASELINE)) != 0:
        sys.exit("error: the contract breaks old peers; see above. If that is wanted, accept it with --accept")


if __name__ == "__main__":
    main()
