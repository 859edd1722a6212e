"""Every kind of record against the rules of PS3.15 A.5.1 (the schema) and the tables of A.5.3 that prescribe it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from filmroom.security.audit import BY_TARGET, KINDS, SERIOUS_FAILURE, AuditEvent, AuditKind, AuditPatient
from filmroom.security.audit_messages import dicom_xml, fhir

pytestmark = pytest.mark.capability("7.3.1")

# PS3.16: CID 400 (events), CID 401 to 403 (their types), CID 402 (roles), with the meanings of annex D.
EVENTS = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred",
    "110105": "DICOM Study Deleted",
    "110106": "Export",
    "110109": "Order Record",
    "110110": "Patient Record",
    "110111": "Procedure Record",
    "110112": "Query",
    "110113": "Security Alert",
    "110114": "User Authentication",
}
TYPES = {
    "110120": "Application Start",
    "110121": "Application Stop",
    "110122": "Login",
    "110123": "Logout",
    "110126": "Node Authentication",
    "110127": "Emergency Override Started",
    "110128": "Network Configuration",
    "110129": "Security Configuration",
    "110131": "Software Configuration",
    "110132": "Use of Restricted Function",
    "110136": "Security Roles Changed",
    "110137": "User security Attributes Changed",
    "110138": "Emergency Override Stopped",
}
ROLES = {
    "110150": "Application",
    "110151": "Application Launcher",
    "110152": "Destination Role ID",
    "110153": "Source Role ID",
    "110154": "Destination Media",
}
OBJECTS = {
    "110180": ("DCM", "Study Instance UID"),
    "2": ("RFC-3881", "Patient Number"),
    "10": ("RFC-3881", "Search Criteria"),
    "12": ("RFC-3881", "URI"),
}
# Which event types belong to an event; those without one have none prescribed.
TYPED = {
    "110100": {"110120", "110121"},
    "110114": {"110122", "110123"},
    "110113": TYPES.keys() - {"110120", "110121", "110122", "110123"},
}
# EventActionCode of each event's table.
ACTIONS = {
    "110100": "E", "110101": "R", "110103": "CRUD", "110104": "CRU", "110105": "D", "110106": "R", "110109": "CRUD",
    "110110": "CRUD", "110111": "CRUD", "110112": "E", "110113": "E", "110114": "E",
}  # fmt: skip

FULL = AuditEvent(
    id="1f0e7b0e-0000-4000-8000-000000000001",
    at=datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
    kind=AuditKind.ACCESSED,
    who="person:7",
    who_name="rita",
    roles=("radiologist",),
    door="web",
    address="10.0.0.9",
    what="opened",
    patients=(AuditPatient("P1", "HOSP", "王^小明 <&\x07"),),
    studies=("1.2.3",),
    instances=3,
    destination="PEER",
    query="00100010=WANG*",
    detail={"why": "x\ud83d", "<a>": "\x00"},
)
BARE = AuditEvent(id="x", at=FULL.at, kind=AuditKind.ACCESSED, who="system", who_name="system", who_kind="system")


def _events() -> Iterator[AuditEvent]:
    for kind in AuditKind:
        for base in (FULL, BARE, replace(FULL, outcome=SERIOUS_FAILURE)):
            yield replace(base, kind=kind)
    for kind, target in BY_TARGET:
        yield replace(FULL, kind=kind, detail={"target": f"{target}:7"})
    yield replace(FULL, kind=AuditKind.GLASS_BROKEN, what="ended")


ALL = list(_events())


def _attributes(element: Element, needed: set[str], allowed: set[str]) -> None:
    assert needed <= element.attrib.keys() <= needed | allowed, element.tag


def _coded(element: Element) -> str:
    _attributes(element, {"csd-code", "codeSystemName", "originalText"}, {"displayName"})
    return element.attrib["csd-code"]


def _check_event(event: Element) -> str:
    _attributes(event, {"EventDateTime", "EventOutcomeIndicator"}, {"EventActionCode"})
    assert event.attrib["EventOutcomeIndicator"] in {"0", "4", "8", "12"}
    datetime.fromisoformat(event.attrib["EventDateTime"])
    tags = [each.tag for each in event]
    assert tags == sorted(tags, key=["EventID", "EventTypeCode", "EventOutcomeDescription"].index)
    (code,) = (each for each in event if each.tag == "EventID")
    assert EVENTS[_coded(code)] == code.attrib["originalText"]
    types = [each for each in event if each.tag == "EventTypeCode"]
    for each in types:
        assert TYPES[_coded(each)] == each.attrib["originalText"]
    wanted = TYPED.get(_coded(code), set())
    assert {_coded(each) for each in types} <= wanted
    assert bool(types) is bool(wanted)
    assert event.attrib["EventActionCode"] in ACTIONS[_coded(code)]
    return _coded(code)


def _check_participant(found: Element) -> set[str]:
    _attributes(
        found,
        {"UserID", "UserIsRequestor"},
        {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
    )
    assert found.attrib["UserIsRequestor"] in {"true", "false"}
    assert found.attrib["UserID"]
    assert found.attrib.get("NetworkAccessPointTypeCode", "1") in "12345"
    assert ("NetworkAccessPointID" in found.attrib) is ("NetworkAccessPointTypeCode" in found.attrib)
    roles = set()
    for each in found:
        if each.tag == "MediaIdentifier":
            assert [part.tag for part in each] == ["MediaType"]
            assert _coded(each[0]) == "110037"
            continue
        assert each.tag == "RoleIDCode"
        if each.attrib["codeSystemName"] == "DCM":
            assert ROLES[_coded(each)] == each.attrib["originalText"]
            roles.add(_coded(each))
    return roles


def _check_object(found: Element) -> tuple[str, str]:
    _attributes(
        found,
        {"ParticipantObjectID"},
        {"ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle"},
    )
    assert found.attrib["ParticipantObjectID"]
    assert found.attrib["ParticipantObjectTypeCode"] in "1234"
    assert 1 <= int(found.attrib["ParticipantObjectTypeCodeRole"]) <= 26
    tags = [each.tag for each in found]
    assert tags[0] == "ParticipantObjectIDTypeCode"
    assert tags[1] in {"ParticipantObjectName", "ParticipantObjectQuery"}, "either a name or a query"
    assert set(tags[2:]) <= {"ParticipantObjectDetail"}
    code = _coded(found[0])
    assert OBJECTS[code] == (found[0].attrib["codeSystemName"], found[0].attrib["originalText"])
    for each in found[2:]:
        _attributes(each, {"type", "value"}, set())
    return code, found.attrib["ParticipantObjectTypeCodeRole"]


@pytest.mark.parametrize("event", ALL, ids=lambda each: f"{each.kind.value} {each.detail.get('target', '')}")
def test_every_record_keeps_the_schema_and_its_table(event: AuditEvent):
    root = ElementTree.fromstring(dicom_xml(event, "FILMROOM"))
    assert root.tag == "AuditMessage"
    tags = [each.tag for each in root]
    order = ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification", "ParticipantObjectIdentification"]
    assert tags == sorted(tags, key=order.index)
    assert tags.count("EventIdentification") == tags.count("AuditSourceIdentification") == 1
    code = _check_event(root[0])
    roles = [_check_participant(each) for each in root if each.tag == "ActiveParticipant"]
    objects = [_check_object(each) for each in root if each.tag == "ParticipantObjectIdentification"]
    if code in {"110104", "110112"}:  # the one that sent or asked, the one that received or answered
        assert {"110153"} in roles
        assert {"110152"} in roles
    if code == "110106":
        assert {"110154"} in roles
    if code == "110101":
        assert ("12", "13") in objects
    if code == "110112":
        assert ("10", "3") in objects
    if code == "110113":
        alerts = [each for each in root.iter("ParticipantObjectDetail") if each.get("type") == "Alert Description"]
        assert len(alerts) == 1
    for identity, role in objects:
        assert role == {"2": "1", "110180": "3"}.get(identity, role)


@pytest.mark.parametrize("event", ALL, ids=lambda each: f"{each.kind.value} {each.detail.get('target', '')}")
def test_every_record_is_an_audit_event_of_fhir(event: AuditEvent):
    made = fhir(event, "FILMROOM")
    assert made["type"]["code"] in EVENTS
    assert made["action"] in "CRUDE"
    assert made["outcome"] in {"0", "4", "8", "12"}
    assert made["agent"][0]["requestor"] is True
    assert made["source"]["observer"]
    assert all("name" not in each or "query" not in each for each in made.get("entity", ()))  # sev-1


def test_there_is_a_meaning_for_every_kind():
    assert KINDS.keys() == set(AuditKind)
