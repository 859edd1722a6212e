"""Who may open an association (PS3.8 table 9-21): AE titles, hosts, limits."""

import asyncio
import ipaddress
from dataclasses import dataclass

from filmroom.archive.devices import Device, DevicePolicy
from filmroom.base.errors import Unavailable
from filmroom.base.ids import AeTitle, ae_title
from filmroom.net.dimse.ports import Devices
from filmroom.net.dimse.registry import AssociationRegistry
from filmroom.security.principals import Principal
from filmroom.security.principals import device as device_principal
from filmroom.settings import DimseSettings
from filmroom.wire.ul.pdu import (
    REJECTED_CALLED_AE,
    REJECTED_CALLING_AE,
    REJECTED_CONGESTION,
    REJECTED_LOCAL_LIMIT,
    AssociateRj,
    AssociateRq,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The peer of an association, as far as it is known."""

    ae_title: AeTitle
    host: str
    principal: Principal
    policy: DevicePolicy
    device: Device | None = None


async def judge(
    request: AssociateRq,
    host: str,
    settings: DimseSettings,
    devices: Devices,
    registry: AssociationRegistry,
) -> Caller | AssociateRj:
    """Who is calling, or why it may not."""
    if len(registry) >= settings.max_associations:
        return REJECTED_LOCAL_LIMIT
    if not _is_called_right(request.called_ae, settings):
        return REJECTED_CALLED_AE
    try:
        calling = ae_title(request.calling_ae)
    except ValueError:
        return REJECTED_CALLING_AE
    try:
        device = await devices.find(calling)
    except Unavailable:
        return REJECTED_CONGESTION
    if device is None:
        if not (settings.trust_loopback and is_loopback(host)):
            return REJECTED_CALLING_AE
    elif not device.enabled or not await _comes_from_its_host(device, host):
        return REJECTED_CALLING_AE
    # Looking up took a moment in which others may have come in.
    if len(registry) >= settings.max_associations or registry.count_of(calling) >= settings.max_associations_per_ae:
        return REJECTED_LOCAL_LIMIT
    policy = DevicePolicy() if device is None else device.policy
    return Caller(ae_title=calling, host=host, principal=device_principal(calling), policy=policy, device=device)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_called_right(called: str, settings: DimseSettings) -> bool:
    try:
        title = ae_title(called)
    except ValueError:
        return False
    return not settings.check_called_ae or title == settings.ae_title


async def _comes_from_its_host(device: Device, host: str) -> bool:
    if not device.policy.check_host or device.host == host:
        return True
    try:
        found = await asyncio.get_running_loop().getaddrinfo(device.host, None)
    except OSError:
        return False
    return host in {str(address[0]) for *_, address in found}
