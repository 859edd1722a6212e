"""PS3.18 8.7 (media types), 10.5.3 (store status codes): one test per sentence, over the tables that decide."""

import pytest

from filmroom.archive.model import Outcome, Stored
from filmroom.archive.retrieve import ANY
from filmroom.dicom.transfersyntax import TRANSFER_SYNTAXES, lookup
from filmroom.net.web.dicomweb.negotiate import (
    FRAME_TYPES,
    OLD_NAMES,
    as_stored_first,
    file_syntaxes,
    frame_media,
    frame_syntaxes,
)
from filmroom.net.web.dicomweb.stow_answer import FAILURE_REASON, Wrong, report, status_of
from filmroom.wire.http.mediatypes import Choice, choices

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
_4 = "1.2.840.10008.1.2.4."
J2K, J2K_LOSSY, JPEG, JPEG_SV1, HEVC = _4 + "90", _4 + "91", _4 + "50", _4 + "70", _4 + "107"


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize("stored", [EXPLICIT, IMPLICIT, J2K, JPEG_SV1])
def test_8_7_3_5_2_no_transfer_syntax_means_explicit_little_endian(stored: str):
    assert file_syntaxes(choices("application/dicom"), stored) == (EXPLICIT,)


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize("stored", [JPEG, J2K_LOSSY, HEVC])
def test_8_7_3_5_2_unless_only_a_lossy_form_is_there(stored: str):
    assert file_syntaxes(choices("application/dicom"), stored) == (ANY,)


@pytest.mark.capability("6.2.1")
def test_8_7_3_5_1_a_star_means_as_stored():
    assert file_syntaxes(choices('multipart/related; type="application/dicom"; transfer-syntax=*'), J2K) == (ANY,)


@pytest.mark.capability("6.2.1")
def test_8_7_5_several_transfer_syntaxes_are_all_acceptable():
    accept = f"application/dicom; transfer-syntax={J2K}, application/dicom; transfer-syntax={IMPLICIT}; q=0.5"
    assert file_syntaxes(choices(accept), EXPLICIT) == (J2K, IMPLICIT)


@pytest.mark.capability("6.2.1")
def test_8_7_3_3_frames_are_octets_in_explicit_little_endian_by_default():
    for accept in ("*/*", "application/octet-stream", 'multipart/related; type="application/octet-stream"'):
        [choice] = choices(accept)
        assert frame_syntaxes(choice, J2K) == (EXPLICIT,)
        assert frame_media(choice, EXPLICIT) == "application/octet-stream"


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize("media", sorted(FRAME_TYPES))
def test_8_7_3_4_each_media_type_carries_its_transfer_syntaxes(media: str):
    for uid in FRAME_TYPES[media]:
        assert lookup(uid).encapsulated
        assert uid in TRANSFER_SYNTAXES
        assert frame_syntaxes(Choice(media), uid) == (uid,)
        assert frame_syntaxes(Choice(media, "*"), uid) == (uid,)
        assert frame_syntaxes(Choice(media, uid), EXPLICIT) == (uid,)
        assert frame_syntaxes(Choice(media, EXPLICIT), uid) == ()


@pytest.mark.capability("6.2.1")
def test_8_7_3_4_an_image_type_alone_asks_for_its_default_transfer_syntax():
    assert frame_syntaxes(Choice("image/jls"), EXPLICIT) == (_4 + "80",)
    assert frame_syntaxes(Choice("image/jpeg"), EXPLICIT) == (JPEG_SV1,)
    assert frame_syntaxes(Choice("video/mp4"), EXPLICIT) == ()


@pytest.mark.capability("6.2.1")
def test_retired_names_of_media_types_are_still_understood():
    for old, new in OLD_NAMES.items():
        uid = FRAME_TYPES[new][0]
        assert frame_syntaxes(Choice(old), uid) == (uid,)
        assert frame_media(Choice(old), uid) == old


def _outcome(result: Stored, **more: object) -> Outcome:
    return Outcome(result, "1.2", "1.2.3", "1.2.3.4", "1.2.3.5", **more)  # type: ignore[arg-type]


@pytest.mark.capability("6.2.4")
def test_every_outcome_has_its_failure_reason():
    assert set(FAILURE_REASON) == set(Stored)
    assert {each for each, reason in FAILURE_REASON.items() if reason is None} == {Stored.NEW, Stored.ALREADY}


@pytest.mark.capability("6.2.4")
@pytest.mark.parametrize(
    ("results", "wrong", "status"),
    [
        ([Stored.NEW, Stored.ALREADY], 0, 200),
        ([Stored.NEW, Stored.CONFLICT], 0, 202),
        ([Stored.NEW], 1, 202),
        ([Stored.CONFLICT, Stored.QUARANTINED], 0, 409),
        ([], 2, 409),
        ([Stored.NO_SPACE, Stored.NO_SPACE], 0, 507),
        ([Stored.UNAVAILABLE], 0, 503),
        ([Stored.UNAVAILABLE, Stored.NO_SPACE], 0, 409),
        ([Stored.NO_SPACE, Stored.NEW], 0, 202),
    ],
)
def test_10_5_3_1_status_of_a_store(results: list[Stored], wrong: int, status: int):
    assert status_of([_outcome(result) for result in results], wrong) == status


@pytest.mark.capability("6.2.4")
def test_10_5_3_1_a_warning_makes_it_202():
    warned = _outcome(Stored.NEW, warnings=("the pixel data ends early",))
    assert status_of([warned], 0) == 202
    assert report([warned], [], "http://x")["00081199"]["Value"][0]["00081196"]["Value"] == [0xB007]


@pytest.mark.capability("6.2.4")
def test_10_5_3_2_what_failed_without_a_name_is_among_the_others():
    nameless = Outcome(Stored.QUARANTINED, comment="not DICOM")
    found = report([nameless, _outcome(Stored.NEW)], [Wrong("1.2", "1.2.9")], "http://x/dicom-web")
    assert found["00081190"]["Value"] == ["http://x/dicom-web/studies/1.2.3.4"]
    assert found["00081198"]["Value"][0]["00081155"]["Value"] == ["1.2.9"]
    assert found["0008119A"]["Value"] == [
        {"00081197": {"vr": "US", "Value": [0xC000]}, "00000902": {"vr": "LO", "Value": ["not DICOM"]}}
    ]


@pytest.mark.capability("6.2.1")
def test_of_what_is_liked_equally_the_stored_form_goes_first():
    """A slide viewer lists every coding it can read: nothing is made anew for it (PS3.18 8.7.5)."""
    jpeg = _4 + "50"
    found = choices("image/jls, image/jp2, image/jpeg, application/octet-stream;q=0.5")
    assert next(each.media for each in as_stored_first(found, jpeg)) == "image/jpeg"
    assert as_stored_first(choices("image/jls, image/jpeg;q=0.9"), jpeg)[0].media == "image/jls"
