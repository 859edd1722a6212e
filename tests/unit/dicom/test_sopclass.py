"""Which SOP classes are stored."""

import pytest

from filmroom.dicom.sopclass import STORAGE_SOP_CLASSES, STUDY_ROOT_FIND, is_storage, name_of

pytestmark = pytest.mark.capability("1.1.1")


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.1.1.2",  # CT
        "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
        "1.2.840.10008.5.1.4.1.1.6",  # retired ultrasound
        "1.2.840.10008.5.1.4.1.1.88.1",  # SR trial
        "1.2.840.10008.5.1.4.1.1.104.1",  # encapsulated PDF
        "1.2.840.10008.5.1.4.1.1.481.5",  # RT plan
        "1.2.840.10008.5.1.4.1.1.66",  # raw data
        "1.3.12.2.1107.5.9.1",  # Siemens CSA
    ],
)
def test_images_documents_plans_and_private_classes_are_stored(uid: str) -> None:
    assert is_storage(uid)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.1", STUDY_ROOT_FIND, "1.2.840.10008.1.20.1", "1.2.840.10008.1.3.10"])
def test_services_and_directories_are_not(uid: str) -> None:
    assert not is_storage(uid)


def test_every_class_has_a_name() -> None:
    assert all(STORAGE_SOP_CLASSES.values())
    assert name_of("1.2.840.10008.5.1.4.1.1.2") == "CT Image Storage"
    assert name_of("1.2.3") == "1.2.3"
