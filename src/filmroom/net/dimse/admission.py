"""Who may open an association (PS3.8 table 9-21): AE titles, addresses, limits; and what it may do then."""

import asyncio
import dataclasses
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from filmroom.archive.devices import Device, DevicePolicy
from filmroom.archive.devices_callers import Attempt, Proposed, Reason
from filmroom.archive.devices_local import LocalAe
from filmroom.base.errors import Unavailable
from filmroom.base.ids import AeTitle, ae_title
from filmroom.net.dimse.offers import service_of
from filmroom.net.dimse.ports import CallerBook, Devices, LocalAes
from filmroom.net.dimse.registry import AssociationRegistry
from filmroom.security.ports import Dresses
from filmroom.security.principals import Principal
from filmroom.security.principals import device as device_principal
from filmroom.settings import DimseSettings
from filmroom.wire.ul.items import ContextResult
from filmroom.wire.ul.pdu import (
    REJECTED_CALLED_AE,
    REJECTED_CALLING_AE,
    REJECTED_CONGESTION,
    REJECTED_LOCAL_LIMIT,
    AssociateAc,
    AssociateRj,
    AssociateRq,
)

log = structlog.get_logger()

# A name server that does not answer must not keep a modality waiting for its own time limit.
RESOLVE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The peer of an association, as far as it is known. ``policy`` is what holds for it at the AE title it called."""

    ae_title: AeTitle
    host: str
    principal: Principal
    policy: DevicePolicy
    device: Device | None = None
    called_ae: str = ""
    read_only: bool = False  # nothing is changed at the AE title that it called


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a caller is turned away: what it is told, and what its administrator should read."""

    answer: AssociateRj
    reason: Reason
    detail: str = ""


class Admission:
    """Judges callers. ``local_aes``: AE titles of ours beside the one of the settings; ``callers`` remembers who was
    turned away."""

    def __init__(
        self,
        settings: DimseSettings,
        devices: Devices,
        registry: AssociationRegistry,
        *,
        local_aes: LocalAes | None = None,
        callers: CallerBook | None = None,
        dress: Dresses | None = None,
    ) -> None:
        self._settings = settings
        self._devices = devices
        self._registry = registry
        self._local_aes = local_aes
        self._callers = callers
        self._dress = dress
        self._own = LocalAe(ae_title=ae_title(settings.ae_title))

    async def judge(self, request: AssociateRq, host: str) -> Caller | AssociateRj:
        """Who is calling, or why it may not. Callers that somebody should know of are remembered."""
        if len(self._registry) >= self._settings.max_associations:
            return REJECTED_LOCAL_LIMIT
        try:
            judged = await self._judge(request, host)
        except Unavailable:
            return REJECTED_CONGESTION
        if isinstance(judged, Caller):
            return judged
        self.remember(request, host, judged.reason, judged.detail)
        return dataclasses.replace(judged.answer, comment=judged.detail or judged.answer.comment)

    def remember(
        self, request: AssociateRq, host: str, reason: Reason, detail: str = "", services: Sequence[str] | None = None
    ) -> None:
        """Put a call on the list of those that somebody should look at."""
        if self._callers is None:
            return
        proposal = proposed(request)
        attempt = Attempt(
            calling_ae=request.calling_ae,
            called_ae=request.called_ae,
            address=host,
            reason=reason,
            detail=detail,
            implementation_class=request.user.implementation_class_uid,
            implementation_version=request.user.implementation_version,
            proposal=proposal,
            services=services_of(proposal) if services is None else frozenset(services),
        )
        self._callers.note(attempt)

    def remember_refused(self, request: AssociateRq, answered: AssociateAc, caller: Caller) -> None:
        """A caller that was let in, but not to every service it asked for."""
        if caller.device is None:
            return
        asked = {context.id: context.abstract_syntax for context in request.contexts}
        rejected = [c for c in answered.contexts if c.result == ContextResult.USER_REJECTION]
        refused = {service for c in rejected if (service := service_of(asked[c.id]))}
        own = sorted(refused - caller.device.policy.services)
        ours = sorted(refused & caller.device.policy.services)
        if own:
            self.remember(request, caller.host, Reason.SERVICE_REFUSED, ", ".join(own), own)
        if ours:
            self.remember(request, caller.host, Reason.SERVICE_NOT_OFFERED, ", ".join(ours), ours)

    async def _judge(self, request: AssociateRq, host: str) -> Caller | Refusal:
        local = await self._called(request.called_ae)
        if local is None:
            return Refusal(REJECTED_CALLED_AE, Reason.CALLED_UNKNOWN)
        if not local.enabled:
            return Refusal(REJECTED_CALLED_AE, Reason.CALLED_OFF, f"{local.ae_title} is switched off")
        try:
            calling = ae_title(request.calling_ae)
        except ValueError:
            return Refusal(REJECTED_CALLING_AE, Reason.CALLING_MALFORMED)
        device = await self._devices.find(calling)
        policy = await self._policy(device, local, host)
        if isinstance(policy, Refusal):
            return policy
        # Looking up took a moment in which others may have come in.
        most = policy.max_associations or self._settings.max_associations_per_ae
        if len(self._registry) >= self._settings.max_associations:
            return Refusal(REJECTED_LOCAL_LIMIT, Reason.TOO_MANY, "the archive has as many associations as it may")
        if self._registry.count_of(calling) >= most:
            return Refusal(REJECTED_LOCAL_LIMIT, Reason.TOO_MANY, f"it has {most} open")
        view = dataclasses.replace(local.policy.view(), as_received=policy.as_received)
        principal = dataclasses.replace(device_principal(calling, view), door="dimse", address=host)
        if self._dress is not None:
            principal = await self._dress(principal)
        return Caller(
            ae_title=calling,
            host=host,
            principal=principal,
            policy=policy,
            device=device,
            called_ae=local.ae_title,
            read_only=local.policy.read_only,
        )

    async def _called(self, text: str) -> LocalAe | None:
        """The AE title of ours that is called."""
        try:
            title = ae_title(text)
        except ValueError:
            return None
        found = await self._local_aes.find(title) if self._local_aes is not None else None
        own = await self._local_aes.find(self._own.ae_title) if self._local_aes is not None else None
        own = own or self._own
        if found is not None:
            return found
        return own if not self._settings.check_called_ae or title == own.ae_title else None

    async def _policy(self, device: Device | None, local: LocalAe, host: str) -> DevicePolicy | Refusal:
        """What the caller may do at this AE title of ours."""
        here = local.policy
        if device is None:
            if self._settings.trust_loopback and is_loopback(host):
                policy = DevicePolicy()
            elif here.strangers:
                policy = DevicePolicy(services=here.strangers, destinations=frozenset())
            else:
                return Refusal(REJECTED_CALLING_AE, Reason.CALLING_UNKNOWN)
        elif not device.enabled:
            return Refusal(REJECTED_CALLING_AE, Reason.DEVICE_OFF, "it is switched off here")
        elif not await comes_from_its_host(device, host):
            allowed = ", ".join(device.policy.addresses or (device.host,))
            return Refusal(REJECTED_CALLING_AE, Reason.WRONG_ADDRESS, f"it may call from {allowed}")
        else:
            policy = device.policy
        return dataclasses.replace(
            policy, services=policy.services & here.offered, as_received=policy.as_received or here.as_received
        )


def proposed(request: AssociateRq) -> tuple[Proposed, ...]:
    """What a caller proposes, SOP class by SOP class."""
    roles = {role.sop_class: role for role in request.user.roles}
    syntaxes: dict[str, dict[str, None]] = {}
    for context in request.contexts:
        syntaxes.setdefault(context.abstract_syntax, {}).update(dict.fromkeys(context.transfer_syntaxes))
    made = []
    for sop_class, found in syntaxes.items():
        role = roles.get(sop_class)
        made.append(Proposed(sop_class, tuple(found), role is None or role.scu, role is not None and role.scp))
    return tuple(made)


def services_of(proposal: Sequence[Proposed]) -> frozenset[str]:
    """The services that a proposal is for. A storage class in the SCP role only belongs to a C-GET."""
    found = {service_of(each.sop_class) for each in proposal if each.scu or service_of(each.sop_class) != "store"}
    return frozenset(each for each in found if each is not None)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    address = _address(host)
    return address is not None and bool(address.is_loopback)


async def comes_from_its_host(device: Device, host: str) -> bool:
    """Whether a call from this address can be the device's own."""
    allowed = device.policy.addresses or ((device.host,) if device.policy.check_host else ())
    if not allowed or host in allowed:
        return True
    address = _address(host)
    names = []
    for each in allowed:
        network = _network(each)
        if network is None:
            names.append(each)
        elif address is not None and address in network:
            return True
    for name in names:
        if address is not None and address in await _addresses(name):
            return True
    return False


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; one of IPv4 that came in over IPv6 as itself."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


async def _addresses(name: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address | None]:
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(name, None)
    except (OSError, TimeoutError):
        log.warning("a device's host name cannot be resolved", host=name)
        return set()
    return {_address(str(address[0])) for *_, address in found} - {None}
