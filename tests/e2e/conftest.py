"""One node with the real models for all end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import RunningNode, running_node


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder: Path = tmp_path_factory.mktemp("node")
    with running_node(folder) as started:
        yield started
