"""Faults planted to see whether fuzzing finds them: small changes to the text of what is fuzzed.

Each is a mistake somebody could make: an error not foreseen, a check dropped, a loop that stands still, memory taken
for what is only promised.
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.worker import CPU_S_MAX
from simulation.faults import Fault, planted


@dataclass(frozen=True, slots=True)
class Found:
    """A fault, the target that finds it, and what its failure must say."""

    target: str
    fault: Fault
    says: str
    cpu_s_max: float = CPU_S_MAX


CONTRACT: Final = "voice_contract"
OPERATIONS: Final = "voice_operations"
PROFILES: Final = "voice_orchestrator.profiles"
RUNTIME: Final = "voice_orchestrator.runtime"
SOUNDS: Final = "voice_orchestrator.audio_files"

FAULTS: Final = (
    Found(
        "event",
        Fault(
            "an unknown number of an enum",
            "codec_values",
            "_FROM_NUMBER[kind].get(number)",
            "_FROM_NUMBER[kind][number]",
            CONTRACT,
        ),
        "KeyError",
    ),
    Found(
        "event",
        Fault("control without an arm", "codec", "    if arm is None:\n", "    if False:\n", CONTRACT),
        "KeyError",
    ),
    Found(
        "event",
        Fault(
            "a span that is none",
            "codec_values",
            "require(0 <= duration.nanos < 1_000_000_000 and 0 <= duration.seconds < 1 << 31,",
            "require(True,",
            CONTRACT,
        ),
        "_ms is ",
    ),
    Found(
        "event",
        Fault(
            "a probability that is no number",
            "codec",
            "require(isfinite(probability) and probability <= 0,",
            "require(not probability > 0,",
            CONTRACT,
        ),
        "mean_log_probability is ",
    ),
    Found(
        "description",
        Fault(
            "a description that breaks a rule",
            "codec",
            "        raise _invalid(str(broken), Peer.INFERENCE) from broken\n",
            "        raise\n",
            CONTRACT,
        ),
        "BrokenRuleError",
    ),
    Found(
        "wav",
        Fault(
            "what the library refuses",
            "wav_reader",
            "except soundfile.LibsndfileError as error:",
            "except FileExistsError as error:",
            SOUNDS,
        ),
        "LibsndfileError",
    ),
    Found(
        "wav",
        Fault("samples that are no numbers", "wav_reader", "if not np.isfinite(piece).all():", "if False:", SOUNDS),
        "RuntimeWarning",
    ),
    Found(
        "wav",
        Fault(
            "samples too large to be added",
            "wav_reader",
            "np.clip(piece, -LEVEL_MAX, LEVEL_MAX)",
            "piece",
            SOUNDS,
        ),
        "overflow",
    ),
    Found(
        "wav",
        Fault("a chunk of no length", "wav_reader", "at += 8 + length + length % 2", "at += length", SOUNDS),
        "took more than 2 s of processor time",
        2.0,
    ),
    Found(
        "wav",
        Fault(
            "memory for what is promised",
            "wav_reader",
            "have = size_bytes - at - 8",
            "have = size_bytes - at - 8 + 0 * len(bytes(length))",
            SOUNDS,
        ),
        "MemoryError",
    ),
    Found(
        "wav",
        Fault(
            "the end of the process",
            "wav_reader",
            'raise WavError(f"{path}: is empty")',
            "__import__('os').abort()",
            SOUNDS,
        ),
        "died of SIGABRT",
    ),
    Found(
        "wav",
        Fault(
            "what never comes",
            "wav_reader",
            'raise WavError(f"{path}: is empty")',
            "__import__('threading').Event().wait()",
            SOUNDS,
        ),
        "stood still",
    ),
    Found(
        "flac",
        Fault("memory for what a FLAC promises", "wav_reader", "file.read(PIECE_FRAMES,", "file.read(-1,", SOUNDS),
        "MemoryError",
    ),
    Found(
        "profile",
        Fault(
            "YAML too deep for the parser", "settings_file", " TypeError, RecursionError,", " TypeError,", OPERATIONS
        ),
        "RecursionError",
    ),
    Found(
        "profile",
        Fault("aliases of aliases", "settings_file", "> SIZE_MAX:", "< 0:", OPERATIONS),
        "took more than 2 s of processor time",
        2.0,
    ),
    Found(
        "profile",
        Fault("what cannot be printed", "operator_error", "if sign.isprintable()", "if True", OPERATIONS),
        "a problem",
    ),
    Found(
        "profile",
        Fault(
            "a pattern that cannot be read",
            "tools",
            "except OverflowError as error:",
            "except EOFError as error:",
            PROFILES,
        ),
        "OverflowError",
    ),
    Found(
        "profile",
        Fault("half a character in a schema", "tools", "            text.encode()\n", "", PROFILES),
        "UnicodeEncodeError",
    ),
    Found(
        "journal",
        Fault("a line that is no entry", "journal_reader", "if not isinstance(plain, dict):", "if False:", RUNTIME),
        "AttributeError",
    ),
    Found(
        "journal",
        Fault(
            "an event of no kind", "journal_codec", "except Exception as error:", "except EOFError as error:", RUNTIME
        ),
        "Error",
    ),
    Found(
        "scenario",
        Fault(
            "a name no file can have",
            "scenario_file",
            "if play is not None and not play.isprintable():",
            "if False:",
            "voice_orchestrator.edges",
        ),
        "embedded null byte",
    ),
    Found(
        "placement",
        Fault(
            "a GPU that is not there",
            "resolve",
            "if index < len(gpus):",
            "if index >= 0:",
            "voice_inference.placement",
        ),
        "IndexError",
    ),
)


def source_of(fault: Fault) -> Path:
    """The file the fault is planted in."""
    spec = importlib.util.find_spec(f"{fault.package}.{fault.module}")
    assert spec is not None, f"there is no {fault.package}.{fault.module}"
    assert spec.origin is not None
    return Path(spec.origin)


def plant(name: str) -> None:
    """Loads a module with the fault of that name in it, before anybody else loads it."""
    fault = next(found.fault for found in FAULTS if found.fault.name == name)
    source, module_name = source_of(fault), f"{fault.package}.{fault.module}"
    spec = importlib.util.find_spec(module_name)
    assert spec is not None
    assert module_name not in sys.modules, f"{module_name} is loaded already"
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    exec(compile(planted(source, fault), source, "exec"), module.__dict__)
