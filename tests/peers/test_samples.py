"""Every real file that pydicom carries: filed and returned bit for bit, or in quarantine with its reason."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from bench import dimse
from bench.corpus import dataset
from bench.http import multipart
from bench.servers import Filmroom, Server
from tests.fixtures.corpus import Sample, dataset_of, distinct_samples, first_difference, samples
from tests.fixtures.server import stored_in
from tests.fixtures.server_tools import storescp

_SAMPLES = {sample.name: sample for sample in distinct_samples()}
# Cut off inside an element: an archive may file it, or keep it apart with its reason.
_BROKEN = frozenset({"MR_truncated.dcm", "rtplan_truncated.dcm"})
_INCOMPLETE = {sample.name: sample for sample in samples() if not sample.complete}


def test_the_corpus_is_all_there() -> None:
    assert len([sample for sample in samples() if sample.name.endswith(".dcm")]) >= 79
    assert len(_SAMPLES) + len(_INCOMPLETE) == len(samples())


def _store(archive: Server, sample: Sample) -> int:
    syntaxes = [sample.transfer_syntax]
    with dimse.Association.open(archive.dicom, archive.ae, [sample.sop_class], syntaxes=syntaxes) as association:
        return association.store(sample.object())


def _get(archive: Server, sample: Sample) -> bytes:
    """The data set by C-GET, in the syntax it was sent in."""
    identifier = dataset(
        {
            0x00080018: ("UI", sample.sop_uid),
            0x00080052: ("CS", "IMAGE"),
            0x0020000D: ("UI", sample.study_uid),
            0x0020000E: ("UI", sample.series_uid),
        }
    )
    with dimse.Association.open(
        archive.dicom,
        archive.ae,
        [dimse.STUDY_GET],
        store_roles=[sample.sop_class],
        role_syntaxes=[sample.transfer_syntax],
    ) as association:
        tally = association.get(identifier, keep=True)
    assert tally.final is not None
    assert (tally.final.status, tally.objects) == (0, 1), sample.name
    return tally.kept[sample.sop_uid]


def _wado(archive: Server, sample: Sample) -> bytes:
    """The data set by WADO-RS, as stored."""
    path = f"/dicom-web/studies/{sample.study_uid}/series/{sample.series_uid}/instances/{sample.sop_uid}"
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    with archive.web() as connection:
        answer = connection.get(path, accept=accept)
    assert answer.status == 200, answer.body[:500]
    boundary = answer.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    part = answer.body.split(b"--" + boundary)[1]
    return dataset_of(part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))


@pytest.mark.capability("1.1.1", "1.1.2", "1.1.5", "1.4.1")
@pytest.mark.parametrize("name", _SAMPLES)
def test_a_real_file_comes_back_bit_for_bit(name: str, archive: Server) -> None:
    sample = _SAMPLES[name]
    status = _store(archive, sample)
    if name in _BROKEN and status:
        assert status == 0xC000
        assert any(sample.sop_uid in entry for entry in _quarantined(archive)), name
        return
    assert status == dimse.SUCCESS
    assert sample.sop_uid in stored_in(archive, sample.study_uid)
    assert first_difference(_get(archive, sample), sample.dataset) is None
    assert first_difference(_wado(archive, sample), sample.dataset) is None


@pytest.mark.capability("1.3.1", "1.1.5")
def test_movescu_returns_them_bit_for_bit_too(archive: Server, tmp_path: Path) -> None:
    """Several syntaxes in one move: each goes out in its own."""
    chosen = [each for each in _SAMPLES.values() if each.sop_class.endswith(".1.7")][:20]
    for sample in chosen:
        assert _store(archive, sample) == dimse.SUCCESS
    uids = "\\".join(sorted({each.study_uid for each in chosen}))
    with storescp(tmp_path / "received", ae="SAMPLESINK") as peer:
        archive.add_destination(peer.ae, peer.port)
        identifier = dataset({0x00080052: ("CS", "STUDY"), 0x0020000D: ("UI", uids)})
        with dimse.Association.open(archive.dicom, archive.ae, [dimse.STUDY_MOVE]) as association:
            final = association.move(identifier, peer.ae)
        received = {dataset_of(path.read_bytes()) for path in peer.files()}
    assert final.status == 0
    assert [each.name for each in chosen if each.dataset not in received] == []


@pytest.mark.capability("1.1.12")
@pytest.mark.parametrize("name", [name for name, sample in _INCOMPLETE.items() if sample.part10])
def test_a_file_without_its_uids_is_refused_by_stow_and_kept(name: str, filmroom: Filmroom) -> None:
    """Not filed, not lost: STOW names it as failed, quarantine holds it with a reason."""
    sample = _INCOMPLETE[name]
    before = len(_quarantined(filmroom))
    content_type, body = multipart([sample.data])
    headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
    with filmroom.web() as connection:
        answer = connection.request("POST", "/dicom-web/studies", headers=headers, body=body)
    assert answer.status == 409, answer.body[:500]
    assert len(_quarantined(filmroom)) == before + 1


@pytest.mark.capability("1.1.12", "3.1.1", "3.1.3")
def test_importing_the_whole_folder_accounts_for_every_file(filmroom: Filmroom, tmp_path: Path) -> None:
    """Filed or quarantined: nothing that is DICOM goes missing, and a second import files nothing anew."""
    for number, sample in enumerate(samples()):
        (tmp_path / f"{number:03d}.dcm").write_bytes(sample.data)
    filmroom.cli("import", str(tmp_path), check=False)
    for sample in (each for each in samples() if each.complete):
        assert stored_in(filmroom, sample.study_uid), sample.name
    listed = "\n".join(_quarantined(filmroom))
    assert listed
    counts = {study: len(stored_in(filmroom, study)) for study in {each.study_uid for each in samples()} - {""}}
    filmroom.cli("import", str(tmp_path), check=False)
    assert counts == {study: len(stored_in(filmroom, study)) for study in counts}


@pytest.mark.capability("1.1.12", "1.1.6")
def test_other_content_under_a_known_uid_is_kept_apart(filmroom: Filmroom) -> None:
    """Never plain success with the data dropped: refused as a duplicate, and the newcomer is in quarantine."""
    sample = _SAMPLES["CT_small.dcm"]
    assert _store(filmroom, sample) == dimse.SUCCESS
    at = sample.data.rindex(b"\xe0\x7f\x10\x00") + 4000
    changed = bytearray(sample.data)
    changed[at] ^= 0xFF
    other = replace(sample, data=bytes(changed))
    before = len(_quarantined(filmroom))
    assert _store(filmroom, other) == 0x0111
    assert len(_quarantined(filmroom)) == before + 1
    assert first_difference(_get(filmroom, sample), sample.dataset) is None


def _quarantined(archive: Server) -> list[str]:
    """The entries of ``filmroom quarantine``, each with its second line."""
    assert isinstance(archive, Filmroom)
    said = archive.cli("quarantine", "--limit", "1000")
    return [entry for entry in re.split(r"^(?=\d+  )", said, flags=re.M) if entry[:1].isdigit()]
