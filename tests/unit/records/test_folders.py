"""Names of folders and entries: what is in them, what is not, and what a damaged one is."""

import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.call_records import STARTED_AT, limits

from voice_orchestrator.records.entry import (
    ENTRY_FILE,
    EntryError,
    Part,
    RecordEntry,
    RecordState,
    read_entry,
    reserve,
    write_entry,
)
from voice_orchestrator.records.folders import call_folders, erase_folder, make_call_folder, told_by_name
from voice_orchestrator.records.limits import CALL_BYTES_MAX, MIB
from voice_orchestrator.runtime.cut_reason import CutReason

ENTRY = RecordEntry(
    session_id="abc",
    profile="clinic",
    caller_id="Jürgen “J”\n",
    started_at=STARTED_AT,
    ended_at=STARTED_AT,
    state=RecordState.CUT,
    cut={Part.RECORDING: CutReason.SIZE_CAP},
    size_bytes=17,
    owner="me",
)


@given(profile=st.text(max_size=90), session_id=st.text(min_size=1, max_size=90))
@settings(max_examples=100)
def test_whatever_a_call_is_named_its_folder_lies_in_its_day(
    tmp_path_factory: pytest.TempPathFactory, profile: str, session_id: str
) -> None:
    root = tmp_path_factory.mktemp("data")
    folder = make_call_folder(root, STARTED_AT, profile, session_id)
    assert folder.parent == root / "2025/01/02"
    assert list(call_folders(root)) == [folder]
    started_at, *_ = told_by_name(folder)
    assert started_at == STARTED_AT
    erase_folder(root, folder)
    assert list(root.iterdir()) == []


def test_days_are_those_of_utc_and_their_owners_alone(tmp_path: Path) -> None:
    started_at = datetime(2025, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    folder = make_call_folder(tmp_path / "data", started_at, "clinic", "abc")
    assert folder == tmp_path / "data/2024/12/31/230000Z-clinic-abc"
    for made in (folder, *folder.parents[:4]):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert told_by_name(folder) == (started_at.astimezone(UTC), "clinic", "abc")
    with pytest.raises(ValueError, match="not the folder of a call"):
        told_by_name(tmp_path)


@pytest.mark.parametrize("reserved", [True, False])
def test_an_entry_comes_back_as_it_was(tmp_path: Path, reserved: bool) -> None:
    if reserved:
        reserve(tmp_path)
    write_entry(tmp_path, ENTRY)
    assert read_entry(tmp_path) == ENTRY
    assert stat.S_IMODE((tmp_path / ENTRY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [ENTRY_FILE]


def test_an_entry_of_a_later_version_with_more_in_it_is_read(tmp_path: Path) -> None:
    (tmp_path / ENTRY_FILE).write_text(ENTRY.model_dump_json()[:-1] + ',"more":1}', encoding="utf-8")
    assert read_entry(tmp_path) == ENTRY
    (tmp_path / ENTRY_FILE).write_text(ENTRY.model_dump_json().replace('"record":1', '"record":2'), encoding="utf-8")
    with pytest.raises(EntryError):
        read_entry(tmp_path)


@given(
    data=st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]":,0159.eE-truefalsn', max_size=60).map(str.encode))
)
@settings(max_examples=300)
def test_any_bytes_are_an_entry_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / ENTRY_FILE).write_bytes(data)
    with pytest.raises(EntryError):
        read_entry(folder)


def test_deep_nesting_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / ENTRY_FILE).write_bytes(b'{"cut":' * 100_000)
    with pytest.raises(EntryError):
        read_entry(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"age_max": timedelta(-1)},
        {"total_bytes_max": -1},
        {"call_bytes_max": MIB - 1},
        {"call_bytes_max": CALL_BYTES_MAX + 1},
        {"free_bytes_min": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_limits_that_cannot_be_kept_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"less than nothing|must be between"):
        limits(**wrong)


def test_the_shares_of_a_call_add_up() -> None:
    given_limits = limits(call_bytes_max=CALL_BYTES_MAX)
    assert given_limits.journal_bytes_max + given_limits.recording_bytes_max == CALL_BYTES_MAX
    assert given_limits.recording_bytes_max < 1 << 32
