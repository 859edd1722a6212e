"""Studies that are not here: asked of the archives that stand in for us, fetched through ingest, counted."""

import dataclasses
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from filmroom.archive.devices import Device, NotAsked
from filmroom.archive.door import Ingest
from filmroom.base.errors import FilmroomError
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import Level
from filmroom.net.dimse.errors import ContextMissing
from filmroom.net.dimse.fetch import Asker, Series, fetch, look
from filmroom.net.dimse.models import QUERY_RETRIEVE_LEVEL, STUDY_ROOT, UNIQUE_KEYS
from filmroom.net.dimse.scp.identifiers import Wanted
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.net.dimse.tls import Certificates
from filmroom.security.principals import device as device_principal
from filmroom.security.view import EVERYTHING

log = structlog.get_logger()

# An identifier and its issuer; None: whatever the issuer.
Patient = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Brought:
    """What another archive has of what was wanted; it should be here now. ``source`` is its AE title."""

    sop_uids: frozenset[str] = frozenset()
    source: str = ""


class Fallback:
    """Fetches from the devices whose policy says ``fallback``, in the order of their AE titles."""

    def __init__(
        self,
        devices: Callable[[], Awaitable[Sequence[Device]]],
        ingest: Ingest,
        asker: Asker,
        certificates: Certificates | None = None,
    ) -> None:
        self._devices = devices
        self._ingest = ingest
        self._asker = asker
        self._certificates = certificates

    async def bring(self, what: Wanted, studies: Sequence[str], besides: str = "") -> Brought:
        """Fetch what is wanted of these studies from the first archive that has any of it; never from ``besides``, who
        asks. What goes wrong with one archive is logged, and the next is asked."""
        for device in await self._standing_in(besides):
            try:
                brought = await self._from(device, what, studies)
            except FilmroomError as fault:
                log.warning("an archive gives nothing", source=device.ae_title, reason=str(fault))
                continue
            if brought.sop_uids:
                return brought
        return Brought()

    async def bring_rest(self, patient: Patient, here: Collection[str], besides: str = "") -> Brought:
        """Fetch what the other archives have of a patient beside the studies that are ``here``, from all of them."""
        brought, sources = set[str](), list[str]()
        for device in await self._standing_in(besides):
            try:
                part = await self._of_patient(device, patient, here)
            except FilmroomError as fault:
                log.warning("an archive gives nothing", source=device.ae_title, reason=str(fault))
                continue
            brought |= part.sop_uids
            sources += [part.source] if part.sop_uids else []
        return Brought(frozenset(brought), ", ".join(sources))

    async def _standing_in(self, besides: str) -> list[Device]:
        devices = await self._devices()
        return [each for each in devices if each.enabled and each.policy.fallback and each.ae_title != besides]

    async def _of_patient(self, device: Device, patient: Patient, here: Collection[str]) -> Brought:
        value, issuer = patient
        keys: dict[str, dict[str, Any]] = {"00100020": {"vr": "LO", "Value": [value]}}
        if issuer:
            keys["00100021"] = {"vr": "LO", "Value": [issuer]}
        return await self._found(device, keys, here)

    async def _from(self, device: Device, what: Wanted, studies: Sequence[str]) -> Brought:
        return await self._found(device, _keys(what, studies), ())

    async def _found(self, device: Device, keys: Mapping[str, dict[str, Any]], here: Collection[str]) -> Brought:
        asker = dataclasses.replace(
            self._asker,
            calling_ae=device.policy.calling_ae or self._asker.calling_ae,
            limits=self._asker.limits.of_device(device.policy),
        )
        found = await look(Peer.of(device, self._certificates, "find"), keys, asker, besides=here)
        if not found:
            return Brought()
        try:
            await self._get(device, found, asker)
        except (NotAsked, ContextMissing):
            await self._move(device, found, asker)
        uids = frozenset(uid for series in found for uid in series.sop_uids)
        studies = {series.study for series in found}
        log.info("fetched from another archive", source=device.ae_title, objects=len(uids), studies=len(studies))
        return Brought(uids, device.ae_title)

    async def _get(self, device: Device, found: Sequence[Series], asker: Asker) -> None:
        who = device_principal(device.ae_title, EVERYTHING)
        peer = Peer.of(device, self._certificates, "get")
        async with aclosing(fetch(peer, found, self._ingest, who, asker)) as answers:
            async for _ in answers:
                pass

    async def _move(self, device: Device, found: Sequence[Series], asker: Asker) -> None:
        """By C-MOVE to ourselves: it must know us by the AE title that calls it."""
        peer = Peer.of(device, self._certificates, "move")
        async with await Association.open(
            peer,
            [Proposal(STUDY_ROOT.move)],
            calling_ae=asker.calling_ae,
            limits=asker.limits,
            recorder=asker.recorder,
        ) as association:
            syntax = association.line.context_for(STUDY_ROOT.move).transfer_syntax
            for series in found:
                keys = {
                    QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [Level.SERIES.value]},
                    UNIQUE_KEYS[Level.STUDY]: {"vr": "UI", "Value": [series.study]},
                    UNIQUE_KEYS[Level.SERIES]: {"vr": "UI", "Value": [series.uid]},
                }
                identifier = json_to_dataset(keys, syntax)
                async with aclosing(association.move(STUDY_ROOT.move, identifier, asker.calling_ae)) as answers:
                    async for _ in answers:
                        pass


def _keys(what: Wanted, studies: Sequence[str]) -> dict[str, dict[str, Any]]:
    keys = {UNIQUE_KEYS[Level.STUDY]: {"vr": "UI", "Value": list(studies)}}
    if what.series:
        keys[UNIQUE_KEYS[Level.SERIES]] = {"vr": "UI", "Value": list(what.series)}
    if what.instances:
        keys[UNIQUE_KEYS[Level.IMAGE]] = {"vr": "UI", "Value": list(what.instances)}
    return keys
