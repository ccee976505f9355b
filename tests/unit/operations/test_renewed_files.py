"""What is made of files is made again when they change, and kept when they cannot be used."""

from pathlib import Path

import pytest
import structlog

from voice_operations.credential_files import write_credential
from voice_operations.operator_error import OperatorError
from voice_operations.renewed_files import RenewedFiles


def test_new_content_is_used_once_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = 0

    def make() -> bytes:
        nonlocal made
        made += 1
        content = path.read_bytes() if path.exists() else b"bad"
        if content == b"bad":
            raise OperatorError("bad")
        return content

    def write(content: bytes) -> None:
        write_credential(path, content, secret=True)

    with pytest.raises(OperatorError):
        RenewedFiles((path,), make)
    write(b"one")
    files = RenewedFiles((path,), make)
    assert [files.current(), files.current(), made] == [b"one", b"one", 2]
    with structlog.testing.capture_logs() as logs:
        write(b"bad")
        assert [files.current(), files.current(), made] == [b"one", b"one", 3]
        path.unlink()
        assert [files.current(), files.current(), made] == [b"one", b"one", 4]
        write(b"two")
        assert [files.current(), files.current(), made] == [b"two", b"two", 5]
    assert [line["event"] for line in logs] == ["certificates_not_renewed"] * 2 + ["certificates_renewed"]
