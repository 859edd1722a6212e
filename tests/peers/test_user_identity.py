"""The user identity of an association (PS3.7 D.3.3.7), sent by pynetdicom."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from tests.fixtures.dimse_archive import MemoryArchive, MemoryQuery

from filmroom.archive.devices import Devices
from filmroom.base.clock import SystemClock
from filmroom.db.pool import Database
from filmroom.net.dimse.listener import DimseListener, DimseServices
from filmroom.security.passwords import Passwords
from filmroom.security.people import People
from filmroom.security.principals import SYSTEM
from filmroom.settings import DimseSettings, Settings

PASSWORD = "correct horse battery staple"
VERIFICATION = "1.2.840.10008.1.1"


def call(port: int, name: str | None, passcode: str = "") -> tuple[bool, bool]:
    """Whether the association was accepted, and whether its user got a response."""
    peer = AE("CT1")
    peer.add_requested_context(VERIFICATION)
    items = []
    if name is not None:
        identity = UserIdentityNegotiation()
        identity.user_identity_type = 2 if passcode else 1
        identity.primary_field = name.encode()
        if passcode:
            identity.secondary_field = passcode.encode()
        identity.positive_response_requested = True
        items.append(identity)
    association = peer.associate("127.0.0.1", port, ae_title="FILMROOM", ext_neg=items)
    accepted = bool(association.is_established)
    answered = bool(accepted and association.acceptor.user_identity is not None)
    if accepted:
        association.release()
    return accepted, answered


@pytest.mark.capability("1.0.6")
async def test_name_and_passcode_are_checked_where_that_is_wanted(database: Database, tmp_path: Path) -> None:
    people = People.of(database, SystemClock(), Settings(data=tmp_path), passwords=Passwords(memory_kib=64, passes=1))
    await people.accounts.add(SYSTEM, "wang", roles=["technologist"], password=PASSWORD)
    await people.accounts.add(SYSTEM, "nina", roles=["viewer"], password=PASSWORD)
    archive = MemoryArchive()
    services = DimseServices(
        ingest=archive,
        query=MemoryQuery(archive),
        retrieve=archive,
        devices=Devices(database),
        identify=people.identify,
    )
    right, wrong, other, name_only, nobody = (
        ("wang", PASSWORD),
        ("wang", "wrong"),
        ("nina", PASSWORD),
        ("wang", ""),
        (None, ""),
    )
    expected = {
        "ignored": {right: True, wrong: True, other: True, name_only: True, nobody: True},
        "accepted": {right: True, wrong: False, other: False, name_only: True, nobody: True},
        "required": {right: True, wrong: False, other: False, name_only: False, nobody: False},
    }
    for mode, cases in expected.items():
        settings = dataclasses.replace(DimseSettings(), port=0, user_identity=mode, user_identity_role="technologist")
        listener = DimseListener(settings, services)
        await listener.start()
        try:
            for case, accepted in cases.items():
                found = await asyncio.to_thread(call, listener.port, *case)
                assert found == (accepted, accepted and case == right and mode != "ignored"), (mode, case)
        finally:
            await listener.stop(grace_s=2)
