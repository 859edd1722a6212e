"""Names of China, Japan and Korea, stored and asked by pynetdicom in the sets that devices there use."""

import pytest
from bench.servers import Server
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import SecondaryCaptureImageStorage, StudyRootQueryRetrieveInformationModelFind

pytestmark = pytest.mark.capability("1.2.9", "1.2.7")

# Specific Character Set; the name as stored; a pattern that finds it.
CASES = {
    "GB18030": ("GB18030", "Wang^Xiaodong=王^小东", "*=王^小*"),
    "GBK": ("GBK", "Liu^Deqiang=劉^德強", "*=劉*"),
    "UTF-8": ("ISO_IR 192", "Zhang^Yi=张^一𠮷", "*=张^一*"),
    "IR 87": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "*=山田^*"),
    "IR 13": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "*=山田^太*"),
    "IR 149": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "*=洪^*"),
}


def _stored(archive: Server, charset: str | list[str], name: str) -> str:
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SpecificCharacterSet = charset
    found.SOPClassUID = SecondaryCaptureImageStorage
    found.SOPInstanceUID, found.StudyInstanceUID, found.SeriesInstanceUID = (generate_uid() for _ in range(3))
    found.PatientName, found.PatientID = name, generate_uid()[-16:]
    found.StudyDate, found.Modality = "20240501", "OT"
    ae = AE(ae_title="PEER")
    ae.add_requested_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", archive.dicom_port, ae_title=archive.ae)
    assert association.is_established
    assert association.send_c_store(found).Status == 0
    association.release()
    return str(found.StudyInstanceUID)


def _asked(archive: Server, charset: str | list[str], pattern: str) -> dict[str, Dataset]:
    keys = Dataset()
    if charset:
        keys.SpecificCharacterSet = charset
    keys.QueryRetrieveLevel, keys.PatientName, keys.StudyInstanceUID = "STUDY", pattern, ""
    ae = AE(ae_title="PEER")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    association = ae.associate("127.0.0.1", archive.dicom_port, ae_title=archive.ae)
    assert association.is_established
    answers = association.send_c_find(keys, StudyRootQueryRetrieveInformationModelFind)
    found = {str(each.StudyInstanceUID): each for _, each in answers if each is not None}
    association.release()
    return found


@pytest.mark.parametrize("case", CASES)
def test_what_is_stored_in_a_set_is_found_and_answered_in_it(case: str, archive: Server) -> None:
    charset, name, pattern = CASES[case]
    uid = _stored(archive, charset, name)
    answer = _asked(archive, charset, pattern)[uid]
    assert answer.SpecificCharacterSet == charset
    assert str(answer.PatientName) == name


@pytest.mark.parametrize("case", CASES)
def test_an_asker_without_the_set_gets_utf_8(case: str, archive: Server) -> None:
    """PS3.4 C.4.1.1.3.2."""
    charset, name, _ = CASES[case]
    uid = _stored(archive, charset, name)
    family = name.split("^")[0] + "*"
    answer = _asked(archive, "" if family.isascii() else "ISO_IR 192", family)[uid]
    assert answer.SpecificCharacterSet == "ISO_IR 192"
    assert [str(group) for group in answer.PatientName.components] == name.split("=")
