"""Generates the Python code of the contract from proto/; `--check` compares it with the committed code."""

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import grpc_tools
from grpc_tools import protoc

ROOT: Final = Path(__file__).resolve().parent.parent
PROTO: Final = ROOT / "proto"
TARGET: Final = PROTO / "src" / "voice_agent"
INIT: Final = {
    "__init__.py": '"""Generated code of the contract; see tools/generate_contract.py."""\n',
    "v1/__init__.py": '"""Version 1 of the contract."""\n',
    "py.typed": "",
}


def generate(target: Path) -> None:
    """Writes everything into `target`, the package directory voice_agent."""
    sources = sorted(str(path) for path in (PROTO / "voice_agent").rglob("*.proto"))
    well_known = Path(next(iter(grpc_tools.__path__))) / "_proto"
    out = target.parent
    programs = Path(sys.executable).parent
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    for plugin in ("mypy", "mypy_grpc"):
        arguments += [
            f"--plugin=protoc-gen-{plugin}={programs / f'protoc-gen-{plugin}'}",
            f"--{plugin}_out=quiet:{out}",
        ]
    arguments += sources
    if protoc.main(arguments) != 0:
        sys.exit("error: protoc refuses the contract; its reasons are above")
    for stub in target.rglob("*_pb2_grpc.py"):
        # The plugin writes an empty module for every file without a service.
        if "add_" not in stub.read_text():
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)
    for name, text in INIT.items():
        (target / name).write_text(text)


def differences(made: Path) -> list[str]:
    """Files that are missing, superfluous or different in the committed code."""
    names = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    committed = {
        path.relative_to(TARGET) for path in TARGET.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    found = [f"missing: {name}" for name in sorted(names - committed)]
    found += [f"superfluous: {name}" for name in sorted(committed - names)]
    found += [
        f"different: {name}"
        for name in sorted(names & committed)
        if not filecmp.cmp(made / name, TARGET / name, shallow=False)
    ]
    return found


def main() -> None:
    """Generates into the checkout, or compares with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 on a difference")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "voice_agent"
        made.mkdir()
        generate(made)
        if options.check:
            if found := differences(made):
                print(*found, sep="\n")
                sys.exit("error: the committed code is not what the contract gives; run `make contract`")
            return
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(made, TARGET)


if __name__ == "__main__":
    main()
