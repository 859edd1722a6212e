"""Settings that cannot be: told by the name of the file or variable, before anything starts."""

from pathlib import Path

import pytest

from filmroom.settings import BadSetting, load


def of(folder: Path, text: str = "", **environ: str) -> object:
    (folder / "filmroom.toml").write_text(text)
    return load({"FILMROOM_DATA": str(folder), **environ})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dimse]\nport = 99999", r"filmroom\.toml: dimse\.port must lie between 0 and 65535, and is 99999"),
        ("[dimse]\nport = -1", r"dimse\.port must lie between 0 and 65535, and is -1"),
        ("[dimse]\ntls_port = 65536", r"dimse\.tls_port must lie between"),
        ("[web]\nport = 70000", r"web\.port must lie between"),
        ("[dimse]\nidle_timeout_s = -1", r"dimse\.idle_timeout_s must not be below 0, and is -1\.0"),
        ("[dimse]\nidle_timeout_s = nan", r"dimse\.idle_timeout_s must not be below 0, and is nan"),
        ("[database]\npool_size = true", r"database\.pool_size must be a whole number"),
        ("[dimse\n", r"filmroom\.toml: "),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        of(tmp_path, text)


def test_a_variable_is_held_to_the_same_bounds(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="variable FILMROOM_DICOM_PORT must lie between 0 and 65535, and is 99999"):
        of(tmp_path, FILMROOM_DICOM_PORT="99999")


def test_the_defaults_are_within_their_bounds(tmp_path: Path) -> None:
    assert load({"FILMROOM_DATA": str(tmp_path)})


def test_a_folder_in_the_files_place_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "filmroom.toml").mkdir()
    with pytest.raises(BadSetting, match=r"filmroom\.toml: .*directory"):
        load({"FILMROOM_DATA": str(tmp_path)})
