"""A record as others read it: the DICOM audit message (PS3.15 A.5, XML) and the FHIR AuditEvent (R4, JSON). Pure."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from types import MappingProxyType
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from filmroom.security.audit import BY_TARGET, KINDS, AuditEvent, AuditKind, Meaning

Coded = tuple[str, str, str]  # value, scheme, meaning

_APPLICATION: Final = ("110150", "DCM", "Application")
_LAUNCHER: Final = ("110151", "DCM", "Application Launcher")
_DESTINATION: Final = ("110152", "DCM", "Destination Role ID")
_SOURCE: Final = ("110153", "DCM", "Source Role ID")
_MEDIA: Final = ("110154", "DCM", "Destination Media")
_URI_MEDIA: Final = ("110037", "DCM", "URI")
# What has role and object codes of no standard's: ours.
_OWN_ROLES: Final = "99FILMROOM"
_PATIENT_NUMBER: Final = ("2", "RFC-3881", "Patient Number")
_STUDY_UID: Final = ("110180", "DCM", "Study Instance UID")
_SEARCH: Final = ("10", "RFC-3881", "Search Criteria")
_URI: Final = ("12", "RFC-3881", "URI")
# The part of who asks, and of this archive, in the messages that prescribe it (A.5.3).
_PARTS: Final[Mapping[str, tuple[Coded, Coded]]] = MappingProxyType(
    {
        "110100": (_LAUNCHER, _APPLICATION),
        "110106": (_SOURCE, _SOURCE),
        "110112": (_SOURCE, _DESTINATION),
    }
)
# XML 1.0 has no place for other control characters.
_NOT_XML: Final = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
SECURITY_ALERT: Final = "110113"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """Something that took part: ``kind`` and ``role`` are those of A.5.1, ``query`` is given in place of a name."""

    identity: str
    kind: str
    role: str
    code: Coded
    name: str = ""
    query: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


def meaning_of(event: AuditEvent) -> Meaning:
    """The codes of a record, by its kind and what it is about; ending an override is told apart from beginning one."""
    found = BY_TARGET.get((event.kind, str(event.detail.get("target", "")).partition(":")[0]), KINDS[event.kind])
    if event.kind is AuditKind.GLASS_BROKEN and event.what.startswith("ended"):
        return found._replace(type=("110138", "Emergency Override Stopped"))
    return found


def dicom_xml(event: AuditEvent, source: str) -> bytes:
    """The audit message (PS3.15 A.5.1); ``source`` names this archive."""
    meaning = meaning_of(event)
    root = Element("AuditMessage")
    happened = SubElement(
        root,
        "EventIdentification",
        EventActionCode=meaning.action,
        EventDateTime=event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=str(event.outcome),
    )
    _code(happened, "EventID", _dcm(meaning.event))
    if meaning.type is not None:
        _code(happened, "EventTypeCode", _dcm(meaning.type))
    if event.outcome and event.what:
        SubElement(happened, "EventOutcomeDescription").text = _clean(event.what)
    _participants(root, event, meaning, source)
    identified = SubElement(root, "AuditSourceIdentification", AuditSourceID=source)
    SubElement(identified, "AuditSourceTypeCode", {"csd-code": "4"})  # application server
    for each in _objects(event, meaning, source):
        _object(root, each)
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + body


def _participants(root: Element, event: AuditEvent, meaning: Meaning, source: str) -> None:
    """Who asked; this archive; where it went, and for an export by which medium (A.5.3)."""
    mine, ours = _PARTS.get(meaning.event[0], (None, _APPLICATION))
    if event.kind in (AuditKind.TRANSFERRED, AuditKind.STORED):
        mine, ours = (_SOURCE, _DESTINATION) if event.kind is AuditKind.STORED else (_DESTINATION, _SOURCE)
    roles = [(_clean(role), _OWN_ROLES, _clean(role)) for role in event.roles]
    actor = _participant(
        root, event.who, *([mine] if mine else []), *roles, name=event.who_name, asks=True, address=event.address
    )
    if event.address:
        actor.set("NetworkAccessPointTypeCode", "2")  # IP address
    _participant(root, source, ours)
    if event.destination:
        _participant(root, event.destination, _DESTINATION)
    if meaning.event[0] == "110106":
        medium = _participant(root, event.destination or "web", _MEDIA, address=event.destination or source)
        medium.set("NetworkAccessPointTypeCode", "1")  # machine name
        _code(SubElement(medium, "MediaIdentifier"), "MediaType", _URI_MEDIA)


def _participant(
    root: Element, identity: str, *roles: Coded, name: str = "", asks: bool = False, address: str = ""
) -> Element:
    made = SubElement(root, "ActiveParticipant", UserID=_clean(identity), UserIsRequestor="true" if asks else "false")
    if name:
        made.set("UserName", _clean(name))
    if address:
        made.set("NetworkAccessPointID", _clean(address))
    for role in roles:
        _code(made, "RoleIDCode", role)
    return made


def _objects(event: AuditEvent, meaning: Meaning, source: str) -> Iterator[_Object]:
    """Everything that took part."""
    for patient in event.patients:
        issuer = f"^^^{patient.issuer}" if patient.issuer else ""
        yield _Object(identity=patient.id + issuer, kind="1", role="1", code=_PATIENT_NUMBER, name=patient.name)
    counted = {"instances": str(event.instances)} if event.instances is not None else {}
    for study in event.studies:
        yield _Object(identity=study, kind="2", role="3", code=_STUDY_UID, details=counted)
    details = {key: str(value) for key, value in event.detail.items()}
    what = event.what or event.kind.value
    if event.kind is AuditKind.AUDIT_READ:
        name = "Security Audit Log"
        yield _Object(identity=f"{source}/audit", kind="2", role="13", code=_URI, name=name, details=details)
    elif meaning.event[0] == SECURITY_ALERT:
        told = {"Alert Description": what, **details}
        yield _Object(identity=what, kind="2", role="13", code=_URI, details=told)
    elif event.kind is AuditKind.QUERY:
        yield _Object(identity=what, kind="2", role="3", code=_SEARCH, query=event.query or "{}", details=details)
    elif event.what or details:
        yield _Object(identity=what, kind="2", role="20", code=_URI, details=details)


def _object(root: Element, told: _Object) -> None:
    made = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_clean(told.identity),
        ParticipantObjectTypeCode=told.kind,
        ParticipantObjectTypeCodeRole=told.role,
    )
    _code(made, "ParticipantObjectIDTypeCode", told.code)
    if told.query:
        SubElement(made, "ParticipantObjectQuery").text = _base64(told.query)
    else:
        SubElement(made, "ParticipantObjectName").text = _clean(told.name)
    for key, value in sorted(told.details.items()):
        SubElement(made, "ParticipantObjectDetail", type=_clean(key), value=_base64(value))


def _dcm(code: tuple[str, str]) -> Coded:
    return code[0], "DCM", code[1]


def _code(parent: Element, tag: str, code: Coded) -> None:
    SubElement(parent, tag, {"csd-code": code[0], "codeSystemName": code[1], "originalText": code[2]})


def _clean(text: str) -> str:
    return text.translate(_NOT_XML)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode(errors="replace")).decode()


def fhir(event: AuditEvent, source: str) -> dict[str, Any]:
    """The same as a FHIR AuditEvent (R4)."""
    meaning = meaning_of(event)
    agent: dict[str, Any] = {
        "who": {"identifier": {"value": event.who}, "display": event.who_name},
        "name": event.who_name,
        "requestor": True,
    }
    if event.roles:
        agent["role"] = [{"text": role} for role in event.roles]
    if event.address:
        agent["network"] = {"address": event.address, "type": "2"}
    agents = [agent, {"who": {"display": source}, "requestor": False}]
    if event.destination:
        agents.append({"who": {"display": event.destination}, "requestor": False})
    made: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": event.id,
        "type": _coding(meaning.event),
        "action": meaning.action,
        "recorded": event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "outcome": str(event.outcome),
        "agent": agents,
        "source": {
            "observer": {"display": source},
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}],
        },
    }
    if meaning.type is not None:
        made["subtype"] = [_coding(meaning.type)]
    if event.what:
        made["outcomeDesc"] = event.what
    entities = [_entity(each) for each in _objects(event, meaning, source)]
    return made | ({"entity": entities} if entities else {})


def _entity(told: _Object) -> dict[str, Any]:
    made: dict[str, Any] = {
        "what": {"identifier": {"type": {"text": told.code[2]}, "value": told.identity}},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": told.kind},
        "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": told.role},
    }
    if told.query:
        made["query"] = _base64(told.query)
    elif told.name:
        made["name"] = told.name
    if told.details:
        made["detail"] = [{"type": key, "valueString": value} for key, value in sorted(told.details.items())]
    return made


def _coding(code: tuple[str, str]) -> dict[str, str]:
    return {"system": _DCM, "code": code[0], "display": code[1]}
