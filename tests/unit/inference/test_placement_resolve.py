"""Whether a machine can carry a placement, and where its engines go."""

import sys
from pathlib import Path

import pytest
from support.placements import FakeMachine, placement

from voice_contract.failures import FailureReason, Stage, VoiceAgentError
from voice_inference.placement.machine import MachineProbe
from voice_inference.placement.model import Placement, load_placement
from voice_inference.placement.resolve import resolve

CONFIGS = Path(__file__).resolve().parents[3] / "configs/inference"


def refusal(wanted: Placement, machine: MachineProbe) -> tuple[Stage, str]:
    """The stage and the line of a refusal."""
    with pytest.raises(VoiceAgentError) as refused:
        resolve(wanted, machine)
    assert refused.value.failure.reason is FailureReason.ENGINE_ERROR
    return refused.value.failure.stage, str(refused.value)


def device_of(stage: Stage, wanted: Placement, machine: MachineProbe) -> str:
    return resolve(wanted, machine).engine(stage).device


# --- memory


def test_memory_that_is_exactly_enough_is_enough() -> None:
    wanted = placement(stt={"memory_mb": 550}, end_of_turn={"memory_mb": 50}, llm={"memory_mb": 400})
    assert len(resolve(wanted, FakeMachine(available_mb=1_000)).engines) == 5


def test_too_little_memory_is_told_with_the_sum_and_the_largest_part() -> None:
    wanted = load_placement(CONFIGS / "cpu-2core.yaml")
    assert refusal(wanted, FakeMachine(available_mb=1_009)) == (
        Stage.LLM,
        "too little memory on cpu: vad 60 + stt 300 + end_of_turn 50 + llm 350 + tts 250 = 1010 MB, 1009 MB are free; "
        "choose a smaller llm model or another device for it",
    )


def test_engines_that_say_nothing_of_memory_are_not_in_the_sum() -> None:
    wanted = placement(stt={"memory_mb": 2_000})
    assert refusal(wanted, FakeMachine(available_mb=100))[1].startswith(
        "too little memory on cpu: stt 2000 = 2000 MB, 100 MB are free; "
    )


def test_every_device_is_counted_for_itself() -> None:
    wanted = placement(stt={"memory_mb": 900}, llm={"memory_mb": 900, "device": "cuda:0"})
    assert resolve(wanted, FakeMachine(available_mb=1_000, gpus=(1_000,)))
    assert refusal(wanted, FakeMachine(available_mb=1_000, gpus=(899,))) == (
        Stage.LLM,
        "too little memory on cuda:0: llm 900 = 900 MB, 899 MB are free; "
        "choose a smaller llm model or another device for it",
    )


def test_an_engine_on_another_machine_needs_no_memory_here() -> None:
    wanted = placement(llm={"engine": "ollama", "memory_mb": 99_999, "device": "remote"})
    assert device_of(Stage.LLM, wanted, FakeMachine(available_mb=10)) == "remote"


# --- devices


def test_a_gpu_that_is_not_there_is_refused_with_what_is_there() -> None:
    wanted = placement(llm={"device": "cuda:1"})
    mend = "; use cpu or auto, or choose configs/inference/cpu-2core.yaml"
    assert refusal(wanted, FakeMachine()) == (
        Stage.LLM,
        f"engines.llm.device: cuda:1 is not there, torch sees no GPU{mend}",
    )
    assert refusal(wanted, FakeMachine(gpus=(8_000,))) == (
        Stage.LLM,
        f"engines.llm.device: cuda:1 is not there, torch sees 1 GPU(s), counted from 0{mend}",
    )
    assert device_of(Stage.LLM, wanted, FakeMachine(gpus=(8_000, 8_000))) == "cuda:1"


@pytest.mark.parametrize(
    ("gpus", "device"),
    [((), "cpu"), ((500,), "cpu"), ((1_000,), "cuda:0"), ((500, 1_000), "cuda:1"), ((1_000, 3_000, 2_000), "cuda:1")],
)
def test_auto_is_the_gpu_with_most_room_or_the_cpu_when_none_has_enough(gpus: tuple[int, ...], device: str) -> None:
    wanted = placement(llm={"device": "auto", "memory_mb": 1_000})
    assert device_of(Stage.LLM, wanted, FakeMachine(gpus=gpus)) == device


def test_auto_on_the_cpu_counts_as_memory_of_the_cpu() -> None:
    wanted = placement(llm={"device": "auto", "memory_mb": 1_000})
    assert refusal(wanted, FakeMachine(available_mb=999))[1].startswith("too little memory on cpu: llm 1000 = ")


def test_gpus_are_not_asked_for_when_nothing_wants_one() -> None:
    machine = FakeMachine(gpus=(1_000,))
    resolve(placement(), machine)
    assert machine.asked_for_gpus == 0
    resolve(placement(stt={"device": "auto"}, llm={"device": "cuda:0"}), machine)
    assert machine.asked_for_gpus == 1


# --- engines and options


def test_an_unknown_engine_is_answered_with_the_known_ones() -> None:
    assert refusal(placement(llm={"engine": "olama"}), FakeMachine()) == (
        Stage.LLM,
        "there is no llm engine 'olama'; known: llama-cpp, ollama, openai-compatible",
    )


def test_an_engine_of_another_stage_is_unknown() -> None:
    assert refusal(placement(tts={"engine": "silero"}), FakeMachine()) == (
        Stage.TTS,
        "there is no tts engine 'silero'; known: piper",
    )


def test_an_engine_whose_library_is_missing_is_answered_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ollama", None)
    assert refusal(placement(llm={"engine": "ollama"}), FakeMachine()) == (
        Stage.LLM,
        "the ollama engine is not installed: run `pip install ollama`",
    )


def test_an_unknown_option_is_answered_with_the_known_ones() -> None:
    wanted = placement(llm={"options": {"context_tokens": 512, "context": 1}})
    assert refusal(wanted, FakeMachine()) == (
        Stage.LLM,
        "engines.llm.options.context: unknown option; known: cache_tokens, concurrency, context_tokens, repeat_penalty",
    )
    assert refusal(placement(tts={"options": {"speed": 2}}), FakeMachine()) == (
        Stage.TTS,
        "engines.tts.options.speed: unknown option; known: none",
    )


# --- what people read


def test_more_threads_than_cores_are_a_warning() -> None:
    wanted = placement(stt={"threads": 2}, llm={"threads": 3})
    assert resolve(wanted, FakeMachine(cores=2)).warnings == (
        "engines.llm.threads: 3 threads on 2 cores will get in each other's way",
    )
    assert resolve(wanted, FakeMachine(cores=3)).warnings == ()


def test_every_engine_is_described_in_a_line() -> None:
    wanted = placement(stt={"threads": 2, "memory_mb": 300}, llm={"device": "auto", "memory_mb": 350})
    assert resolve(wanted, FakeMachine(gpus=(4_000,))).describe_lines() == (
        "vad: silero silero-vad on cpu, 1 thread, 0 MB",
        "stt: faster-whisper whisper-base on cpu, 2 threads, 300 MB",
        "end_of_turn: smart-turn smart-turn-v3.2 on cpu, 1 thread, 0 MB",
        "llm: llama-cpp smollm2-135m-instruct-q4_1 on cuda:0, 1 thread, 350 MB",
        "tts: piper en_US-joe-medium on cpu, 1 thread, 0 MB",
    )


def test_the_shipped_placements_fit_the_machines_they_are_named_after() -> None:
    cpu = resolve(load_placement(CONFIGS / "cpu-2core.yaml"), FakeMachine(cores=2, available_mb=1_020))
    assert cpu.warnings == ()
    assert {engine.device for engine in cpu.engines} == {"cpu"}
    gpu = resolve(load_placement(CONFIGS / "gpu-4gb.yaml"), FakeMachine(cores=2, available_mb=1_000, gpus=(3_700,)))
    assert gpu.warnings == ()
    assert gpu.engine(Stage.LLM).device == "cuda:0"
