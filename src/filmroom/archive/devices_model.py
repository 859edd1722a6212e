"""A DICOM peer as registered, read from what somebody asks for and written as everybody is shown it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from filmroom.archive.devices_policy import DevicePolicy
from filmroom.archive.devices_rules import BadValue, Fault, flag, host, whole, words
from filmroom.base.errors import FilmroomError, NotFound, Unsupported
from filmroom.base.ids import AeTitle


class NoSuchDevice(NotFound):
    """No device is registered under this AE title."""


class NotAsked(Unsupported):
    """Our rules for this device say that the service is not asked of it."""


class BadDevice(FilmroomError):
    """What is asked for cannot be a device, or an AE title of ours; ``faults`` say where and why."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer or 'it'} {fault.detail}" for fault in faults))
        self.faults = tuple(sorted(faults, key=lambda fault: fault.pointer))


class ChangedSince(FilmroomError):
    """Somebody else has changed it since it was read; read it again, then change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A DICOM peer as registered. ``version`` is 0 until it is stored."""

    ae_title: AeTitle
    host: str
    port: int
    description: str = ""
    enabled: bool = True
    policy: DevicePolicy = field(default_factory=DevicePolicy)
    site: str = ""
    department: str = ""
    pk: int = 0
    version: int = 0
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of a device's journal; ``before`` and ``after`` are None where there was, or is, none."""

    pk: int
    at: datetime
    who: str
    action: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


# The keys of a device as it is asked for, with their readers.
_KEYS: Final = {
    "host": host,
    "port": whole(1, 65535),
    "description": words,
    "enabled": flag,
    "site": words,
    "department": words,
}


def described(device: Device) -> dict[str, Any]:
    """A device as JSON: what is shown, patched, and kept in the journal."""
    return {
        "ae_title": str(device.ae_title),
        "host": device.host,
        "port": device.port,
        "description": device.description,
        "enabled": device.enabled,
        "site": device.site,
        "department": device.department,
        "policy": device.policy.to_row(),
    }


def asked(ae_title: AeTitle, body: Mapping[str, Any]) -> Device:
    """The device that ``body`` asks for. Raises BadDevice with everything that is wrong."""
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    if body.get("ae_title", ae_title) != ae_title:
        faults.append(Fault("/ae_title", "cannot be changed: register the other title, then remove this one"))
    for name in body.keys() - _KEYS.keys() - {"ae_title", "policy"}:
        faults.append(Fault(f"/{name}", "is no key of a device"))
    for name, read in _KEYS.items():
        if body.get(name) is None:
            if name in ("host", "port"):
                faults.append(Fault(f"/{name}", "must be given"))
            continue
        try:
            values[name] = read(body[name])
        except BadValue as bad:
            faults.append(Fault(f"/{name}", str(bad)))
    policy = DevicePolicy.parse(body.get("policy") or {}, faults, "/policy")
    if values.get("department") and not values.get("site"):
        faults.append(Fault("/department", "needs a site"))
    if faults:
        raise BadDevice(faults)
    return Device(ae_title=ae_title, policy=policy, **values)


def merged(value: Any, patch: Any) -> Any:
    """A JSON merge patch applied (RFC 7396): null removes a key."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(value) if isinstance(value, Mapping) else {}
    for name, each in patch.items():
        if each is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), each)
    return result


def from_row(row: Mapping[str, Any]) -> Device:
    """A device as its row has it."""
    return Device(
        pk=row["pk"],
        ae_title=AeTitle(row["ae_title"]),
        host=row["host"],
        port=row["port"],
        description=row["description"],
        enabled=row["enabled"],
        policy=DevicePolicy.from_row(row["policy"]),
        site=row["site"],
        department=row["department"],
        version=row["version"],
        changed_at=row["changed_at"],
    )
