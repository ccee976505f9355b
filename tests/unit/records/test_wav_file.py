"""The recording that grows on disk: the same sound as one that is collected in memory, playable at any time."""

import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.call_records import SECOND, counted, sound_of

from voice_orchestrator.audio_files.stereo_recording import StereoRecording
from voice_orchestrator.audio_files.wav_reader import read_wav
from voice_orchestrator.records.wav_file import AGENT, CALLER, HEADER_BYTES, Chunk, StereoWavFile, repair_wav

ROOM = 1 << 24
FULL_DISK = Path("/dev/full")

# Short sounds near each other and far apart, late ones, ones over others, in batches.
WRITES = st.lists(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 2_000), st.integers(0, 5 * SECOND), st.integers(0, 12 * SECOND)),
            st.sampled_from((CALLER, AGENT)),
            st.integers(1, 900),
            st.integers(-30_000, 30_000),
        ),
        max_size=8,
    ),
    max_size=8,
)


@given(batches=WRITES)
@settings(max_examples=80)
def test_it_holds_what_a_recording_in_memory_would(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int, int, int]]]
) -> None:
    path = tmp_path_factory.mktemp("wav") / "recording.wav"
    file, memory = StereoWavFile(path, ROOM), StereoRecording()
    for batch in batches:
        chunks = []
        for position, channel, length, level in batch:
            samples = np.arange(level, level + length).astype("<i2")
            chunks.append(Chunk(position, channel, samples.tobytes()))
            (memory.write_caller if channel == CALLER else memory.write_agent)(position, samples)
        assert file.write(chunks)
        assert np.array_equal(sound_of(path), memory.samples())
    file.close()
    assert np.array_equal(sound_of(path), memory.samples())
    assert path.stat().st_size == HEADER_BYTES + 4 * memory.end_samples


def test_other_programs_read_it_too(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    file = StereoWavFile(path, ROOM)
    file.write([Chunk(0, CALLER, counted(0, SECOND).tobytes()), Chunk(100, AGENT, counted(0, SECOND).tobytes())])
    with soundfile.SoundFile(str(path)) as opened:
        assert (opened.format, opened.subtype, opened.samplerate, opened.channels) == ("WAV", "PCM_16", SECOND, 2)
        assert np.array_equal(opened.read(dtype="int16"), sound_of(path))
    assert len(read_wav(path).samples) == SECOND + 100
    file.close()


def test_only_its_owner_may_hear_it_and_it_is_a_file_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    StereoWavFile(path, ROOM).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sound_of(path).shape == (0, 2)


def test_sound_before_the_beginning_and_half_samples_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    file = StereoWavFile(path, ROOM)
    assert file.write([Chunk(-2, CALLER, counted(0, 5).tobytes()), Chunk(-9, AGENT, counted(0, 5).tobytes())])
    assert file.write([Chunk(3, AGENT, counted(0, 2).tobytes() + b"\x07")])
    assert sound_of(path).tolist() == [[3, 0], [4, 0], [5, 0], [0, 1], [0, 2]]
    file.close()


def test_the_cap_is_reached_to_the_sample_and_said(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    file = StereoWavFile(path, HEADER_BYTES + 4 * 1_000 + 3)
    assert file.write([Chunk(0, CALLER, counted(0, 900).tobytes())])
    assert not file.write([Chunk(900, CALLER, counted(900, 1_100).tobytes())])
    assert not file.write([Chunk(10 * SECOND, AGENT, counted(0, 10).tobytes())])
    assert np.array_equal(sound_of(path)[:, CALLER], counted(0, 1_000))
    assert file.write([Chunk(0, AGENT, counted(0, 1_000).tobytes())])
    file.close()
    assert path.stat().st_size == HEADER_BYTES + 4 * 1_000


def test_a_full_disk_is_told_at_once() -> None:
    with pytest.raises(OSError, match="No space left"):
        StereoWavFile(FULL_DISK, ROOM)


def test_what_did_not_get_onto_the_disk_is_not_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes half a write and then nothing: the half that is whole is kept, and the file still plays."""
    path = tmp_path / "recording.wav"
    file = StereoWavFile(path, ROOM)
    assert file.write([Chunk(0, CALLER, counted(0, 500).tobytes())])
    real = os.pwrite
    room = [4 * 100 + 2]

    def almost_full(fd: int, data: bytes, at: int) -> int:
        if at < HEADER_BYTES:
            return real(fd, data, at)
        if not room[0]:
            raise OSError(28, "No space left on device")
        done = real(fd, bytes(data)[: room[0]], at)
        room[0] -= done
        return done

    monkeypatch.setattr(os, "pwrite", almost_full)
    with pytest.raises(OSError, match="No space left"):
        file.write([Chunk(500, CALLER, counted(500, 900).tobytes())])
    monkeypatch.undo()
    file.close()
    assert np.array_equal(sound_of(path)[:, CALLER], counted(0, 600))
    assert path.stat().st_size == HEADER_BYTES + 4 * 600


@pytest.mark.parametrize("tail", [b"", b"\x01", b"\x01\x02\x03\x04\x05\x06"])
def test_a_file_whose_writer_was_killed_is_made_to_tell_all_of_its_sound(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "recording.wav"
    file = StereoWavFile(path, ROOM)
    file.write([Chunk(0, CALLER, counted(0, 300).tobytes())])
    file.close()
    with path.open("r+b") as stream:
        stream.write(struct.pack("<4sI", b"RIFF", 36))
        stream.seek(40)
        stream.write(struct.pack("<I", 0))
        stream.seek(0, os.SEEK_END)
        stream.write(tail)
    assert not len(sound_of(path))
    repair_wav(path)
    assert np.array_equal(sound_of(path)[:300, CALLER], counted(0, 300))
    assert path.stat().st_size == HEADER_BYTES + 4 * (300 + len(tail) // 4)


def test_a_file_that_is_not_even_a_header_becomes_one(tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    path.write_bytes(b"RIFF")
    repair_wav(path)
    assert sound_of(path).shape == (0, 2)
