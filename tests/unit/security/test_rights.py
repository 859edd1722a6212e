"""Roles, scopes and the messages of the audit trail, as values."""

from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from filmroom.base.ids import AeTitle
from filmroom.net.notify.syslog import message
from filmroom.security.audit import KINDS, AuditEvent, AuditKind, AuditPatient
from filmroom.security.audit_chain import event_of, text_of
from filmroom.security.audit_messages import dicom_xml, fhir
from filmroom.security.policy import Action, dressed, may, view_for
from filmroom.security.principals import Kind, Principal, device, person
from filmroom.security.roles import READY, SEPARATED, Grant
from filmroom.security.scopes import WHOLE, Scope, Subject, narrowed, scope_from

AT = datetime(2026, 11, 22, 20, 15, tzinfo=UTC)
EVENT = AuditEvent(
    id="2b1f4d2e-0000-4000-8000-000000000001",
    at=AT,
    kind=AuditKind.ACCESSED,
    who="person:7",
    who_name="rita",
    roles=("radiologist",),
    door="web",
    address="10.0.0.9",
    patients=(AuditPatient("P1", "HOSP", "Wang^Xiaoming=王^小明 <script>\x07"),),
    studies=("1.2.3",),
)


@pytest.mark.capability("7.3.3")
def test_the_separated_administrators_share_no_duty():
    system = READY["administrator"].actions - SEPARATED
    assert not system & READY["security-officer"].actions
    assert not system & READY["auditor"].actions
    assert not READY["security-officer"].actions & READY["auditor"].actions
    assert Action.VIEW not in READY["auditor"].actions | READY["security-officer"].actions


@pytest.mark.capability("6.3.2")
def test_a_ready_role_brings_its_scope_without_being_worked_out():
    assert person(1, "x", frozenset({"research"})).view.scopes == (Scope(deidentified_only=True),)
    assert person(1, "x", frozenset({"research", "viewer"})).view.scopes is None


def test_an_action_counts_only_in_the_scopes_of_the_roles_that_allow_it():
    bare = Principal("person:7", "rita", Kind.PERSON)
    ct, all_ = Scope(modalities=frozenset({"CT"})), WHOLE
    who = dressed(
        bare,
        [Grant("a", frozenset({Action.VIEW}), (all_,)), Grant("b", frozenset({Action.VIEW, Action.EXPORT}), (ct,))],
        names=frozenset(),
        protecting=False,
    )
    assert who.view.scopes is None
    assert view_for(who, Action.EXPORT).scopes == (ct,)
    assert may(who, Action.EXPORT, Subject(modality="CT"))
    assert not may(who, Action.EXPORT, Subject(modality="MR"))
    assert may(who, Action.VIEW, Subject(modality="MR"))
    assert not may(who, Action.DELETE)
    assert not may(replace(who, only=frozenset({Action.EXPORT})), Action.VIEW)


def test_a_device_with_a_role_may_what_the_role_says():
    bare = device(AeTitle("WARD5"))
    assert may(bare, Action.STORE)
    ward = dressed(bare, [Grant("viewer", READY["viewer"].actions)], names=frozenset(), protecting=True)
    assert [action for action in Action if may(ward, action)] == [Action.VIEW]
    assert ward.view.veiled


def test_a_scope_given_with_a_role_narrows_the_roles_own():
    mine = READY["clinician"].scopes
    narrow = narrowed(mine, Scope(sites=frozenset({"North"})))
    assert all(scope.sites == {"North"} for scope in narrow)
    assert [scope.referring_me for scope in narrow] == [True, False]
    north, south = Scope(sites=frozenset({"North"})), Scope(sites=frozenset({"South"}))
    assert narrowed([north], south) == ()
    assert narrowed([WHOLE], north) == (north,)


def test_no_scope_left_is_nothing_and_not_everything():
    who = dressed(
        Principal("person:7", "rita", Kind.PERSON),
        [Grant("viewer", READY["viewer"].actions, ())],
        names=frozenset(),
        protecting=False,
    )
    assert who.view.scopes == ()
    assert who.view.narrow


@pytest.mark.parametrize("row", [{"moon": True}, {"sites": "North"}, {"referring_me": 1}, {"max_sensitivity": "3"}])
def test_what_is_no_scope_is_refused(row: dict[str, object]):
    with pytest.raises(ValueError, match=r"(has no|is a|is true)"):
        scope_from(row)


def test_scopes_survive_being_kept():
    scope = Scope(sites=frozenset({"b", "a"}), referring_me=True, max_sensitivity=2, priors=True)
    assert scope_from(scope.to_row()) == scope
    assert WHOLE.to_row() == {}


@pytest.mark.capability("7.3.2")
def test_a_record_is_the_same_after_being_kept():
    assert event_of(text_of(EVENT)).patients[0].id == "P1"
    assert text_of(event_of(text_of(EVENT))) == text_of(EVENT)


@pytest.mark.capability("7.3.1")
def test_a_record_is_a_dicom_audit_message():
    root = ElementTree.fromstring(dicom_xml(EVENT, "FILMROOM"))
    assert [each.tag for each in root] == [
        "EventIdentification",
        "ActiveParticipant",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
        "ParticipantObjectIdentification",
    ]
    patient = root[4]
    assert patient.get("ParticipantObjectID") == "P1^^^HOSP"
    assert patient.findtext("ParticipantObjectName") == "Wang^Xiaoming=王^小明 <script>"
    assert root[1].get("NetworkAccessPointID") == "10.0.0.9"


@pytest.mark.capability("7.3.1")
@pytest.mark.parametrize("kind", AuditKind)
def test_every_kind_is_told_in_dicom_and_fhir(kind: AuditKind):
    event = replace(EVENT, kind=kind, query="00100010=WANG*", detail={"why": "x"})
    assert set(KINDS) == set(AuditKind)
    code = ElementTree.fromstring(dicom_xml(event, "FILMROOM")).find("EventIdentification/EventID")
    assert code is not None
    assert fhir(event, "FILMROOM")["type"]["code"] == code.get("csd-code") == KINDS[kind].event[0]


@pytest.mark.capability("7.3.1")
def test_a_syslog_message_counts_its_octets():
    whole = message(AT, "archive", "accessed", "王".encode())
    length, _, rest = whole.partition(b" ")
    assert int(length) == len(rest)
    assert rest == b"<85>1 2026-11-22T20:15:00.000Z archive filmroom - accessed - \xef\xbb\xbf" + "王".encode()
