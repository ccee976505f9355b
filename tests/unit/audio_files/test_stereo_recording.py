"""The recording of a call: both sides on one timeline, written whole or not at all."""

import stat
from pathlib import Path
from random import Random
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from voice_contract.audio import SAMPLE_RATE_HZ
from voice_orchestrator.audio_files.stereo_recording import AGENT, BLOCK_SAMPLES, CALLER, SAMPLES_MAX, StereoRecording


def counted(begin: int, end: int) -> NDArray[np.int16]:
    return np.arange(begin, end, dtype=np.int64).astype(np.int16)


@pytest.fixture
def recording() -> StereoRecording:
    return StereoRecording()


def test_the_caller_is_left_and_the_agent_right(recording: StereoRecording) -> None:
    recording.write_caller(0, counted(1, 4))
    recording.write_agent(0, counted(11, 14))
    assert recording.samples().tolist() == [[1, 11], [2, 12], [3, 13]]


def test_sound_lies_where_it_was_heard_and_gaps_are_silent(recording: StereoRecording) -> None:
    recording.write_caller(1, counted(1, 2))
    recording.write_agent(3, counted(11, 12))
    assert recording.samples().tolist() == [[0, 0], [1, 0], [0, 0], [0, 11]]
    assert recording.end_samples == 4


def test_the_order_of_writing_does_not_matter(recording: StereoRecording) -> None:
    parts = [(at, counted(at, at + 160)) for at in range(0, 1_600, 160)]
    Random(0).shuffle(parts)
    for at, samples in parts:
        recording.write_caller(at, samples)
    assert np.array_equal(recording.samples()[:, CALLER], counted(0, 1_600))


def test_what_is_written_again_replaces_what_was_there(recording: StereoRecording) -> None:
    recording.write_agent(0, np.full(6, 7, dtype=np.int16))
    recording.write_agent(2, np.zeros(2, dtype=np.int16))
    assert recording.samples()[:, AGENT].tolist() == [7, 7, 0, 0, 7, 7]
    assert recording.end_samples == 6


@pytest.mark.parametrize("at", [BLOCK_SAMPLES - 1, BLOCK_SAMPLES, BLOCK_SAMPLES + 1, 3 * BLOCK_SAMPLES - 100])
def test_sound_is_whole_wherever_it_falls(recording: StereoRecording, at: int) -> None:
    samples = np.full(BLOCK_SAMPLES + 200, 9, dtype=np.int16)
    recording.write_agent(at, samples)
    written = recording.samples()
    assert written.shape == (at + len(samples), 2)
    assert not written[:at].any()
    assert np.array_equal(written[at:, AGENT], samples)
    assert not written[:, CALLER].any()


def test_the_writer_may_use_its_buffer_again(recording: StereoRecording) -> None:
    buffer = counted(1, 4)
    recording.write_caller(0, buffer)
    buffer[:] = 0
    assert recording.samples()[:, CALLER].tolist() == [1, 2, 3]


def test_writing_nothing_is_nothing(recording: StereoRecording) -> None:
    recording.write_caller(0, counted(0, 0))
    assert recording.samples().shape == (0, 2)
    assert recording.end_samples == 0


def test_there_is_no_sound_before_the_beginning(recording: StereoRecording) -> None:
    with pytest.raises(ValueError, match="before its beginning"):
        recording.write_caller(-1, counted(0, 10))
    assert recording.end_samples == 0


def test_what_lies_beyond_four_hours_is_not_kept(monkeypatch: pytest.MonkeyPatch, recording: StereoRecording) -> None:
    assert SAMPLES_MAX == 4 * 3_600 * SAMPLE_RATE_HZ
    monkeypatch.setattr("voice_orchestrator.audio_files.stereo_recording.SAMPLES_MAX", 100)
    recording.write_caller(90, counted(1, 21))
    recording.write_caller(100, counted(1, 21))
    assert recording.samples()[90:, CALLER].tolist() == list(range(1, 11))
    assert recording.end_samples == 100


def test_a_saved_recording_holds_every_sample_at_the_rate_of_the_runtime(
    recording: StereoRecording, tmp_path: Path
) -> None:
    recording.write_caller(0, counted(-32_768, 32_768))
    recording.write_agent(100, counted(0, 5_000))
    recording.save(tmp_path / "call.wav")
    with soundfile.SoundFile(str(tmp_path / "call.wav")) as file:
        assert (file.format, file.subtype, file.samplerate, file.channels) == ("WAV", "PCM_16", SAMPLE_RATE_HZ, 2)
        assert np.array_equal(file.read(dtype="int16"), recording.samples())


def test_a_call_without_sound_is_a_file_without_sound(recording: StereoRecording, tmp_path: Path) -> None:
    recording.save(tmp_path / "call.wav")
    assert soundfile.info(str(tmp_path / "call.wav")).frames == 0


def test_only_its_owner_may_hear_a_recording(recording: StereoRecording, tmp_path: Path) -> None:
    recording.write_caller(0, counted(0, 10))
    recording.save(tmp_path / "call.wav")
    assert stat.S_IMODE((tmp_path / "call.wav").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["call.wav"]


def test_a_recording_that_cannot_be_written_leaves_the_older_one(
    recording: StereoRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"older")

    def half(target: BinaryIO, *_: object, **__: object) -> None:
        target.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", half)
    with pytest.raises(OSError, match="No space left"):
        recording.save(path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_goes_on_after_it_was_saved(recording: StereoRecording, tmp_path: Path) -> None:
    recording.write_caller(0, counted(0, 10))
    recording.save(tmp_path / "call.wav")
    recording.write_caller(10, counted(10, 20))
    recording.save(tmp_path / "call.wav")
    assert soundfile.info(str(tmp_path / "call.wav")).frames == 20


def test_a_recording_that_cannot_be_encoded_is_an_error_of_the_system(
    recording: StereoRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile, "write", refused)
    with pytest.raises(OSError, match="cannot be written"):
        recording.save(tmp_path / "call.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_recording_is_its_owners_alone(recording: StereoRecording, tmp_path: Path) -> None:
    recording.save(tmp_path / "call.wav")
    assert (tmp_path / "call.wav").stat().st_mode & 0o777 == 0o600
