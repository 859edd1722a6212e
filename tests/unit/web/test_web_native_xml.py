"""The Native DICOM Model, written and read (PS3.19 A.1)."""

import pytest

from filmroom.base.errors import NotReadable
from filmroom.net.web.dicomweb.xml import native_model
from filmroom.net.web.dicomweb.xml_read import read_native_model

pytestmark = pytest.mark.capability("6.2.4")

WHOLE = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
    "00081140": {
        "vr": "SQ",
        "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}, {"00081160": {"vr": "IS", "Value": ["1", "2"]}}],
    },
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^Wei^^Dr", "Ideographic": "张^伟"}]},
    "00102000": {"vr": "LO"},
    "00280010": {"vr": "US", "Value": [512]},
    "00189313": {"vr": "FD", "Value": [1.5, -2.0]},
    "00420011": {"vr": "OB", "InlineBinary": "AAEC"},
    "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/bulk?a=1&b=2"},
}


def test_what_is_written_is_read_again():
    found = read_native_model(native_model(WHOLE))
    expected = dict(WHOLE)
    expected["00080008"] = {"vr": "CS", "Value": ["ORIGINAL", "AXIAL"]}  # an empty value has no element in XML
    assert found == expected


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a>",
        b"\xff\xfe",
        b'<!DOCTYPE a [<!ENTITY x "y">]><NativeDicomModel/>',
        b'<NativeDicomModel><DicomAttribute vr="US"/></NativeDicomModel>',
        b'<NativeDicomModel><Item number="1"/></NativeDicomModel>',
        b'<NativeDicomModel><DicomAttribute tag="00280010" vr="US"><Value>x</Value></DicomAttribute>'
        b"</NativeDicomModel>",
        b"<NativeDicomModel>" + b'<DicomAttribute tag="00081140" vr="SQ"><Item>' * 200,
    ],
)
def test_what_is_no_model_is_refused(document: bytes):
    with pytest.raises(NotReadable):
        read_native_model(document)
