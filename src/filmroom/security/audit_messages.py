"""A record as others read it: the DICOM audit message (PS3.15 A.5, XML) and the FHIR AuditEvent (R4, JSON). Pure."""

import base64
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from filmroom.security.audit import KINDS, AuditEvent, AuditKind, Meaning

_ROLE_APPLICATION: Final = ("110150", "Application")
_ROLE_SOURCE: Final = ("110153", "Source Role ID")
_ROLE_DESTINATION: Final = ("110152", "Destination Role ID")
# XML 1.0 has no place for other control characters.
_NOT_XML: Final = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"


def meaning_of(event: AuditEvent) -> Meaning:
    """The codes of a record; ending an override is told apart from beginning one, and refusals from both."""
    found = KINDS[event.kind]
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
    _code(happened, "EventID", *meaning.event)
    if meaning.type is not None:
        _code(happened, "EventTypeCode", *meaning.type)
    if event.outcome and event.what:
        SubElement(happened, "EventOutcomeDescription").text = _clean(event.what)
    actor = SubElement(
        root, "ActiveParticipant", UserID=_clean(event.who), UserName=_clean(event.who_name), UserIsRequestor="true"
    )
    if event.address:
        actor.set("NetworkAccessPointID", event.address)
        actor.set("NetworkAccessPointTypeCode", "2")  # IP address
    for role in event.roles:
        _code(actor, "RoleIDCode", role, role, "99FILMROOM")
    if event.kind in (AuditKind.TRANSFERRED, AuditKind.STORED):
        _code(actor, "RoleIDCode", *(_ROLE_SOURCE if event.kind is AuditKind.STORED else _ROLE_DESTINATION))
    archive = SubElement(root, "ActiveParticipant", UserID=source, UserIsRequestor="false")
    _code(archive, "RoleIDCode", *_ROLE_APPLICATION)
    if event.destination:
        other = SubElement(root, "ActiveParticipant", UserID=_clean(event.destination), UserIsRequestor="false")
        _code(other, "RoleIDCode", *_ROLE_DESTINATION)
    identified = SubElement(root, "AuditSourceIdentification", AuditSourceID=source)
    SubElement(identified, "AuditSourceTypeCode", {"csd-code": "4"})  # application server
    for each in _objects(event):
        _object(root, *each)
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + body


def _objects(event: AuditEvent) -> Iterator[tuple[str, str, str, tuple[str, str, str], str, str, dict[str, str]]]:
    """Id, type, role, type of the id, name, query and details of everything that took part."""
    for patient in event.patients:
        issuer = f"^^^{patient.issuer}" if patient.issuer else ""
        yield patient.id + issuer, "1", "1", ("2", "RFC-3881", "Patient Number"), patient.name, "", {}
    counted = {"instances": str(event.instances)} if event.instances is not None else {}
    for study in event.studies:
        yield study, "2", "3", ("110180", "DCM", "Study Instance UID"), "", "", counted
    details = {key: str(value) for key, value in event.detail.items()}
    if event.query:
        yield event.what or "query", "2", "24", ("10", "RFC-3881", "Search Criteria"), "", event.query, {}
    elif event.what or details:
        yield event.what or event.kind.value, "2", "20", ("12", "RFC-3881", "URI"), "", "", details


def _object(
    root: Element,
    identity: str,
    kind: str,
    role: str,
    code: tuple[str, str, str],
    name: str,
    query: str,
    details: dict[str, str],
) -> None:
    made = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_clean(identity),
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    SubElement(
        made, "ParticipantObjectIDTypeCode", {"csd-code": code[0], "codeSystemName": code[1], "originalText": code[2]}
    )
    if query:
        SubElement(made, "ParticipantObjectQuery").text = _base64(query)
    else:
        SubElement(made, "ParticipantObjectName").text = _clean(name)
    for key, value in sorted(details.items()):
        SubElement(made, "ParticipantObjectDetail", type=_clean(key), value=_base64(value))


def _code(parent: Element, tag: str, code: str, text: str, scheme: str = "DCM") -> None:
    SubElement(parent, tag, {"csd-code": _clean(code), "codeSystemName": scheme, "originalText": _clean(text)})


def _clean(text: str) -> str:
    return text.translate(_NOT_XML)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


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
    entities = [_entity(*each) for each in _objects(event)]
    return made | ({"entity": entities} if entities else {})


def _entity(
    identity: str,
    kind: str,
    role: str,
    code: tuple[str, str, str],
    name: str,
    query: str,
    details: dict[str, str],
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "what": {"identifier": {"type": {"text": code[2]}, "value": identity}},
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": kind},
        "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": role},
    }
    if query:
        made["query"] = _base64(query)
    elif name:
        made["name"] = name
    if details:
        made["detail"] = [{"type": key, "valueString": value} for key, value in sorted(details.items())]
    return made


def _coding(code: tuple[str, str]) -> dict[str, str]:
    return {"system": _DCM, "code": code[0], "display": code[1]}
