"""DICOM TLS against the real ``filmroom serve`` process (uvloop): DCMTK and pynetdicom, mutual, files replaced."""

import re
import shutil
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import orjson
import pytest
from bench.corpus import Object, Study, fresh_run, objects
from bench.servers import Filmroom, free_port
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from tests.fixtures.server import new_archive, stored_in
from tests.fixtures.server_tools import ToolFailed, run_tool
from tests.fixtures.tls_files import Authority, Pair

pytestmark = pytest.mark.capability("1.0.7")
RELOAD_S = 20.0


class Ward:
    """A server that asks every TLS peer for a certificate, and who vouches for whom. It ends in ten days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ca")
        ends = f"{datetime.now(UTC) + timedelta(days=10, hours=1):%Y%m%d%H%M%SZ}"
        self.use(self.authority.issue("pacs", san="DNS:pacs.ward,IP:127.0.0.1", ends=ends))
        self.ct1 = self.authority.issue("ct1", san="DNS:ct1.ward")
        self.port = free_port()
        server = new_archive(
            folder,
            {
                "FILMROOM_DICOM_TLS_PORT": str(self.port),
                "FILMROOM_DICOM_TLS_CERTIFICATE": str(folder / "ours.pem"),
                "FILMROOM_DICOM_TLS_KEY": str(folder / "ours.key"),
                "FILMROOM_DICOM_TLS_CA": str(self.authority.certificate),
            },
        )
        assert isinstance(server, Filmroom)
        self.server = server
        server.data.mkdir(parents=True)
        (server.data / "filmroom.toml").write_text('[dimse]\ntls_client_certificates = "required"\n')

    def use(self, pair: Pair) -> None:
        """Put a certificate in the place where the server reads its own."""
        shutil.copy(pair.key, self.folder / "ours.key")
        shutil.copy(pair.certificate, self.folder / "ours.pem")

    def echo(self, trusted: Path, pair: Pair | None) -> str:
        who = ["+tla"] if pair is None else ["+tls", pair.key, pair.certificate]
        return run_tool("echoscu", *who, "+cf", trusted, "-aec", self.server.ae, "-aet", "CT1", "127.0.0.1", self.port)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    made = Ward(tmp_path_factory.mktemp("tls-process"))
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()


def write(folder: Path, sent: list[Object]) -> Path:
    folder.mkdir()
    for number, each in enumerate(sent):
        (folder / f"{number:04d}.dcm").write_bytes(each.part10())
    return folder


def test_dcmtk_sends_large_and_small_over_tls_with_its_certificate(ward: Ward, tmp_path: Path) -> None:
    run = fresh_run()
    sent = [*objects("ct", Study(run, 1), 20), *objects("cine-small", Study(run, 2), 1)]
    folder = write(tmp_path / "sent", sent)
    tls = ["+tls", ward.ct1.key, ward.ct1.certificate, "+cf", ward.authority.certificate]
    run_tool("storescu", *tls, "-aec", ward.server.ae, "-aet", "CT1", "+sd", "127.0.0.1", ward.port, folder)
    for study in {each.study_uid for each in sent}:
        assert stored_in(ward.server, study) == {each.sop_uid for each in sent if each.study_uid == study}


def test_who_has_no_certificate_or_a_strangers_does_not_get_in(ward: Ward, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Other CA").issue("ct1")
    ward.echo(ward.authority.certificate, ward.ct1)
    for pair in (None, stranger):
        with pytest.raises(ToolFailed):
            ward.echo(ward.authority.certificate, pair)


def test_pynetdicom_sends_over_tls_too(ward: Ward) -> None:
    context = ssl.create_default_context(cafile=str(ward.authority.certificate))
    context.load_cert_chain(ward.ct1.certificate, ward.ct1.key)
    (sent,) = objects("ct", Study(fresh_run(), 1), 1)
    entity = AE(ae_title="CT1")
    entity.add_requested_context(Verification)
    entity.add_requested_context(sent.sop_class, sent.transfer_syntax)
    association = entity.associate("127.0.0.1", ward.port, ae_title=ward.server.ae, tls_args=(context, "127.0.0.1"))
    assert association.is_established
    assert association.send_c_echo().Status == 0
    assert association.send_c_store(dcmread(BytesIO(sent.part10()))).Status == 0
    association.release()
    assert stored_in(ward.server, sent.study_uid) == {sent.sop_uid}


def test_status_tells_the_days_a_certificate_has_left(ward: Ward) -> None:
    with ward.server.web() as connection:
        detail = orjson.loads(connection.request("GET", "/api/v1/status").body)["detail"]
    assert detail["certificates"] == {"DICOM TLS": 10}
    assert "the DICOM TLS certificate ends in 10 days" in detail["warnings"]
    said = ward.server.cli("status", check=False)
    assert re.search(r"certificate DICOM TLS: 10 days left", said)
    assert "WARNING: the DICOM TLS certificate ends in 10 days" in said


def test_files_that_are_replaced_are_used_without_a_restart(ward: Ward, tmp_path: Path) -> None:
    """Who trusts only the new authority gets in once both files are there, and who trusts only the old one does not."""
    newer = Authority(tmp_path / "newer", "New CA")
    with pytest.raises(ToolFailed):
        ward.echo(newer.certificate, ward.ct1)
    ward.use(newer.issue("pacs", san="DNS:pacs.ward,IP:127.0.0.1"))
    until = time.monotonic() + RELOAD_S
    while True:
        try:
            ward.echo(newer.certificate, ward.ct1)
            break
        except ToolFailed:
            assert time.monotonic() < until, "the new certificate was never used"
    with pytest.raises(ToolFailed):
        ward.echo(ward.authority.certificate, ward.ct1)
    with ward.server.web() as connection:
        detail = orjson.loads(connection.request("GET", "/api/v1/status").body)["detail"]
    assert detail["certificates"]["DICOM TLS"] > 300
    assert not any("certificate" in each for each in detail["warnings"])
