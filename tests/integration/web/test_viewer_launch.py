"""Invoke Image Display (IHE RAD-106): another program opens a patient or a study."""

import io

import pytest
from pydicom import dcmread
from tests.fixtures.served import Served

pytestmark = pytest.mark.capability("6.1.1")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("requestType=SERIES", 400),
        ("requestType=STUDY", 400),
        ("requestType=STUDY&studyUID=x", 400),
        ("requestType=STUDY&studyUID=1.2.3", 404),
        ("requestType=PATIENT", 400),
        ("requestType=PATIENT&patientID=nobody", 404),
        ("requestType=PATIENT&patientID=a&mostRecentResults=0", 400),
        ("requestType=PATIENT&patientID=a&lowerDateTime=2024", 400),
    ],
)
async def test_what_cannot_be_displayed_is_said(served: Served, query: str, status: int) -> None:
    assert (await served.client.get(f"/viewer/iid?{query}")).status_code == status


async def test_a_study_and_a_patient_are_opened(served: Served) -> None:
    study, items = await served.stored("ct", 1)
    header = dcmread(io.BytesIO(items[0].part10()))
    place = f"/viewer/viewer?StudyInstanceUIDs={study.uid}"
    for query in (
        {"requestType": "STUDY", "studyUID": study.uid},
        {"requestType": "STUDY", "accessionNumber": header.AccessionNumber},
        {"requestType": "PATIENT", "patientID": f"{header.PatientID}^^^", "mostRecentResults": "1"},
        {"requestType": "PATIENT", "patientID": header.PatientID, "modalitiesInStudy": "CT,MR"},
    ):
        answer = await served.client.get("/viewer/iid", params=query)
        assert (answer.status_code, answer.headers.get("location")) == (303, place), query
    none = {"requestType": "PATIENT", "patientID": header.PatientID, "modalitiesInStudy": "MG"}
    assert (await served.client.get("/viewer/iid", params=none)).status_code == 404


async def test_who_is_not_signed_in_comes_back_after_the_login_page(served: Served) -> None:
    async with served.stranger() as stranger:
        asked = await stranger.get(
            "/viewer/iid?requestType=STUDY&studyUID=1.2.3",
            headers={"accept": "text/html", "sec-fetch-mode": "navigate"},
        )
    assert asked.status_code in (302, 303)
    assert "/login?next=%2Fviewer%2Fiid" in asked.headers["location"]
