"""Files that are no WAV a call can play: one line that names the file and the way out."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile
from support.wav_files import chunk, pcm16_format, riff, tone, write_wav

from voice_orchestrator.audio_files.wav_reader import WavError, read_wav

SOUND = np.arange(100, dtype=np.int16)


def refusal(path: Path) -> str:
    """The line about `path`, without its name."""
    with pytest.raises(WavError) as refused:
        read_wav(path)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{path}: ")
    assert "\n" not in problem
    return problem.removeprefix(f"{path}: ")


def refusal_of(folder: Path, content: bytes) -> str:
    path = folder / "made.wav"
    path.write_bytes(content)
    return refusal(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.wav") == "there is no such file"


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a folder, name a .wav file"


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert refusal(tmp_path / "file" / "a.wav") == "Not a directory"


def test_an_empty_file(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, b"") == "is empty"


@pytest.mark.parametrize(
    "content",
    [b"RIFF", b"just words in a file with the wrong name", b"ID3\x04" + bytes(100), b"RIFF\x24\0\0\0AVI " + bytes(50)],
    ids=["four bytes", "text", "mp3", "avi"],
)
def test_what_is_no_wav_is_refused_with_the_command_that_makes_one(tmp_path: Path, content: bytes) -> None:
    assert refusal_of(tmp_path, content) == (
        "is not a WAV file; convert it with `ffmpeg -i made.wav -c:a pcm_s16le converted.wav`"
    )


def test_a_flac_named_wav_is_not_played_in_silence_about_it(tmp_path: Path) -> None:
    path = tmp_path / "really.wav"
    soundfile.write(str(path), tone(440.0), 16_000, format="FLAC")
    assert refusal(path).startswith("is not a WAV file; ")


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "IMA_ADPCM", "GSM610"])
def test_compressed_sound_is_refused_with_the_command_that_converts_it(tmp_path: Path, subtype: str) -> None:
    path = write_wav(tmp_path / "call.wav", tone(440.0), 8_000, subtype)
    assert refusal(path) == (f"{subtype} is not PCM; convert it with `ffmpeg -i call.wav -c:a pcm_s16le converted.wav`")


def test_a_file_without_samples(tmp_path: Path) -> None:
    assert refusal(write_wav(tmp_path / "a.wav", np.zeros(0, dtype=np.int16))) == "holds no sound"


def test_a_file_cut_in_its_sound_says_how_much_is_there(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", SOUND).read_bytes()
    assert refusal_of(tmp_path, whole[:-50]) == ("is cut short, its header promises 200 bytes of sound, 150 are there")


def test_a_file_cut_before_its_sound(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, riff(pcm16_format())) == "is cut short, it ends before its sound begins"


def test_wherever_a_file_is_cut_it_is_refused_and_never_played_in_part(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", SOUND).read_bytes()
    for length in range(len(whole)):
        assert refusal_of(tmp_path, whole[:length])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    path = write_wav(tmp_path / "a.wav", np.array([0.0, value, 0.0]), subtype="FLOAT")
    assert refusal(path) == "holds samples that are not numbers; write it again as 16-bit PCM"


@pytest.mark.parametrize("rate_hz", [1_000, 3_999, 192_001, 384_000])
def test_a_rate_no_voice_is_recorded_at(tmp_path: Path, rate_hz: int) -> None:
    assert refusal(write_wav(tmp_path / "a.wav", SOUND, rate_hz)) == (
        f"a rate of {rate_hz} Hz is not between 4000 and 192000 Hz"
    )


def test_more_channels_than_a_call_can_have(tmp_path: Path) -> None:
    assert refusal(write_wav(tmp_path / "a.wav", np.zeros((10, 9)))) == "9 channels are more than 8"


def test_more_than_an_hour(tmp_path: Path) -> None:
    hour = bytes(4_000 * 3_600 * 2)
    assert refusal_of(tmp_path, riff(pcm16_format(rate_hz=4_000), chunk(b"data", hour + b"\0\0"))) == (
        "longer than 60 minutes; cut it into pieces"
    )


def test_sound_without_a_format(tmp_path: Path) -> None:
    assert refusal_of(tmp_path, riff(chunk(b"data", SOUND.tobytes()))).startswith("cannot be read as a WAV file (")


def test_whatever_byte_of_a_header_is_wrong_the_file_is_played_or_refused(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", SOUND).read_bytes()
    path, random = tmp_path / "made.wav", Random(0)
    refused = 0
    for at in range(44):
        for _ in range(6):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ random.randrange(1, 256)]) + whole[at + 1 :])
            try:
                assert len(read_wav(path).samples)
            except WavError:
                refused += 1
    assert refused > 44
