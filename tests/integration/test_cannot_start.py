"""A server that cannot start says why in one sentence."""

import sys
from pathlib import Path

import pytest

from filmroom.cli import main


def _said(argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["filmroom", *argv])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "reason"), [("file", "File exists"), ("file/below", "Not a directory"), ("/proc/below", "No such file")]
)
@pytest.mark.parametrize("command", ["serve", "user list"])
def test_a_data_folder_that_cannot_be(
    command: str,
    data: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / data
    monkeypatch.setenv("FILMROOM_DATA", str(folder))
    said = _said(command.split(), monkeypatch, capsys)
    assert said.startswith(f"filmroom: the data folder {folder}: {reason}")
    assert "FILMROOM_DATA" in said
    assert said.count("\n") == 1


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FILMROOM_CONFIG", str(tmp_path / "missing.toml"))
    assert _said(["user", "list"], monkeypatch, capsys).startswith(f"filmroom: {tmp_path}/missing.toml: ")
