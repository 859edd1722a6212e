"""``filmroom ups`` from creation to the end of a work item."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from filmroom.cli.commands import app

pytestmark = pytest.mark.capability("1.7.9")
ITEM = {
    "00741200": {"vr": "CS", "Value": ["HIGH"]},
    "00741204": {"vr": "LO", "Value": ["Find nodules"]},
    "00404041": {"vr": "CS", "Value": ["READY"]},
    "00404005": {"vr": "DT", "Value": ["20260706093000"]},
    "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE^JANE"}]},
    "00100020": {"vr": "LO", "Value": ["P1"]},
}


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("FILMROOM_DATA", str(tmp_path))
    monkeypatch.setenv("FILMROOM_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "300")
    return CliRunner()


def ups(run: CliRunner, *words: str) -> Result:
    return run.invoke(app, ["ups", *words], catch_exceptions=False)


def test_a_work_item_is_created_claimed_and_ended(run: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "item.json"
    file.write_text(json.dumps(ITEM))
    made = ups(run, "create", str(file))
    assert made.exit_code == 0, made.output
    uid = made.output.strip()
    listed = ups(run, "list", "--state", "scheduled", "--patient-id", "P1")
    assert uid in listed.output
    assert "Find nodules" in listed.output
    assert "PatientName: DOE^JANE" in ups(run, "show", uid).output
    key = ups(run, "claim", uid).output.strip()
    assert ups(run, "claim", uid).exit_code == 1
    wrong = ups(run, "complete", uid, "--key", "1.2.3")
    assert wrong.exit_code == 1
    assert "Transaction UID" in wrong.output
    refused = ups(run, "cancel", uid, "--reason", "wrong patient")
    assert (refused.exit_code, "cannot be contacted" in refused.output) == (1, True)
    changed = tmp_path / "changed.json"
    code = {"00080100": {"vr": "SH", "Value": ["110501"]}, "00080102": {"vr": "SH", "Value": ["DCM"]}}
    code |= {"00080104": {"vr": "LO", "Value": ["Equipment failure"]}}
    progress = {"0074100E": {"vr": "SQ", "Value": [code]}}
    changed.write_text(json.dumps({"00741002": {"vr": "SQ", "Value": [progress]}}))
    assert ups(run, "set", uid, str(changed), "--key", key).exit_code == 0
    ended = ups(run, "discontinue", uid, "--key", key)
    assert ended.exit_code == 0, ended.output
    assert "CANCELED" in ups(run, "show", uid).output


def test_a_subscriber_must_be_a_device(run: CliRunner, tmp_path: Path) -> None:
    assert ups(run, "subscribe", "all", "NOBODY-HERE").exit_code == 1
    assert run.invoke(app, ["device", "add", "WATCHER", "127.0.0.1", "11113"]).exit_code == 0
    file = tmp_path / "item.json"
    file.write_text(json.dumps(ITEM))
    uid = ups(run, "create", str(file)).output.strip()
    assert ups(run, "subscribe", uid, "WATCHER", "--lock").exit_code == 0
    assert uid in ups(run, "subscriptions", "WATCHER").output
    assert ups(run, "cancel", uid).exit_code == 0
    assert ups(run, "unsubscribe", uid, "WATCHER").exit_code == 0
    assert uid not in ups(run, "subscriptions").output
    assert ups(run, "show", "1.2.3").exit_code == 1


def test_a_file_that_is_neither_is_said_to_be(run: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    assert run.invoke(app, ["ups", "create", str(file)]).exit_code == 2
