"""Compression by rule in the real server: DCMTK sends, DCMTK decodes what it gets back; the command and the API."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from bench.corpus import Object, Study, fresh_run, objects
from bench.servers import Filmroom
from bench.waiting import until
from pydicom import dcmread
from tests.fixtures.server import new_archive
from tests.fixtures.server_tools import run_tool, storescp

pytestmark = pytest.mark.capability("1.1.13")
# The form, its transfer syntax, and DCMTK's program that decodes it: an implementation that is not ours.
FORMS = {
    "jpeg-ls": ("1.2.840.10008.1.2.4.80", "dcmdjpls"),
    "jpeg-lossless": ("1.2.840.10008.1.2.4.70", "dcmdjpeg"),
    "rle": ("1.2.840.10008.1.2.5", "dcmdrle"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filmroom]:
    made = new_archive(tmp_path_factory.mktemp("compressing"))
    assert isinstance(made, Filmroom)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def slices(count: int) -> list[Object]:
    ramp = (np.add.outer(np.arange(512), np.arange(512)) % 4096).astype("<u2").tobytes()
    made = objects("ct", Study(fresh_run(), 1), count)
    return [replace(each, pixels=each.pixels[: len(each.pixels) - len(ramp)] + ramp) for each in made]


def rules_read(server: Filmroom) -> int:
    """How often the server has read its rules; it looks for new ones every two seconds."""
    return server.log.read_text().count('"rules read"')


@pytest.mark.parametrize("form", FORMS)
def test_what_dcmtk_sends_is_compressed_at_receipt_and_dcmtk_decodes_it(
    server: Filmroom, tmp_path: Path, form: str
) -> None:
    syntax, decoder = FORMS[form]
    sent = slices(3)
    folder = tmp_path / "sent"
    folder.mkdir()
    for each in sent:
        (folder / f"{each.sop_uid}.dcm").write_bytes(each.part10())
    action = json.dumps({"compress": form, "when": "receipt"})
    before = rules_read(server)
    server.cli("compression", "put", form, action, "--when", f"calling = {form.upper()}", "--priority", "5")
    until(lambda: rules_read(server) > before, what="the rule in force")
    run_tool("storescu", "-aec", server.ae, "-aet", form.upper(), "+sd", "127.0.0.1", server.dicom_port, folder)
    with storescp(tmp_path / "got") as destination:
        server.add_destination(destination.ae, destination.port)
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={sent[0].study_uid}")
        run_tool("movescu", "-S", "-aec", server.ae, "-aem", destination.ae, *keys, "127.0.0.1", server.dicom_port)
        files = destination.files()
    assert len(files) == 3
    by_uid = {each.sop_uid: each for each in sent}
    for file in files:
        assert dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
        plain = tmp_path / f"{file.name}.plain"
        run_tool(decoder, file, plain)
        made, was = dcmread(plain), dcmread(BytesIO(by_uid[str(dcmread(file).SOPInstanceUID)].part10()))
        assert np.array_equal(made.pixel_array, was.pixel_array)


def test_the_command_and_the_api_tell_what_was_done(server: Filmroom) -> None:
    listed = server.cli("compression", "list")
    assert all(form in listed for form in FORMS)
    assert "done" in server.cli("compression", "report")
    with server.web() as connection:
        rules = json.loads(connection.request("GET", "/api/v1/rules/compression").body)["rules"]
        report = json.loads(connection.request("GET", "/api/v1/compression").body)
    assert {each["name"] for each in rules} == set(FORMS)
    done = [each for each in report["totals"] if each["state"] == "done"]
    assert sum(each["objects"] for each in done) == 9
    assert all(each["made_bytes"] < each["received_bytes"] for each in done)


def test_a_rule_is_made_changed_and_removed_over_the_api(server: Filmroom) -> None:
    address, headers = "/api/v1/rules/compression/night", {"Content-Type": "application/json"}
    with server.web() as connection:
        body = {
            "action": {"compress": "htj2k", "after_days": 90, "hours": ["20:00-06:00"]},
            "condition": "Modality = MR",
        }
        made = connection.request("PUT", address, headers=headers, body=json.dumps(body).encode())
        assert made.status == 200, made.body
        assert json.loads(made.body)["condition"] == "Modality = MR"
        wrong = json.dumps({"action": {"compress": "jpeg-lossy"}}).encode()
        refused = connection.request("PUT", address, headers=headers, body=wrong)
        assert refused.status in (400, 422)
        assert b"lossy: true" in refused.body
        assert connection.request("DELETE", address).status == 204
        assert connection.request("DELETE", address).status == 404


def test_the_archive_agrees_with_its_index_afterwards(server: Filmroom) -> None:
    assert "Rows and bytes agree." in server.cli("verify")
