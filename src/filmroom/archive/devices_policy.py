"""What a device may do and how it is met, as typed keys of its row's ``policy``. Absent keys mean the defaults here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Self

from filmroom.archive.devices_rules import (
    Fault,
    Rules,
    address,
    caller,
    charset,
    code,
    flag,
    hours,
    known_of,
    list_of,
    one_of,
    optional,
    part,
    rule,
    seconds,
    set_of,
    syntax,
    title,
    whole,
)

SERVICES: Final = frozenset({"echo", "store", "find", "move", "get", "worklist", "mpps", "commit", "ups", "ian"})

# What changes the archive; a read-only AE title offers none of it. Of ``ups`` it offers what only reads.
WRITING_SERVICES: Final = frozenset({"store", "mpps", "commit", "ian"})

# How urgent a delivery is that says nothing of it itself.
PRIORITIES: Final = ("low", "medium", "high")

# Where a device takes the report of a storage commitment: ``auto`` on the association of its request while that stands
# and else on a new one, ``new`` always on a new one, ``same`` never on a new one.
COMMIT_MODES: Final = frozenset({"auto", "new", "same"})

# What must be true of an object before it counts as committed, each with what comes before it: its row is there, its
# blob is there, the blob is long enough, its bytes have the digest they were received with.
COMMIT_CHECKS: Final = ("row", "exists", "size", "digest")

# Keys that other parts of the archive read; they are kept as they stand.
RESERVED: Final = frozenset(
    {"store", "identity", "duplicates", "coercion", "quarantine", "compression", "tls", "tls_required", "tls_name"}
)

MAX_TIMEOUT_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class WorklistPolicy(Rules):
    """How the worklist meets a modality that cannot ask rightly."""

    own_station: bool = rule(
        flag, "Without a station of its own, its query is for its calling AE title.", default=False
    )
    more_days: int = rule(whole(0, 366), "Days by which the start date it asks for is widened, both ways.", default=0)
    modalities: frozenset[str] | None = rule(set_of(code), "It sees steps of these modalities only; null for all.")
    hidden: frozenset[str] = rule(
        set_of(code), "Step statuses kept from it, besides the closed ones.", default=frozenset()
    )
    character_set: str = rule(
        charset, "What it can read, (0008,0005) as in a data set, whatever it says itself.", default=""
    )


@dataclass(frozen=True, slots=True)
class DevicePolicy(Rules):
    """What a device may do. ``more``: the keys of others, as they stand in the row."""

    services: frozenset[str] = rule(
        set_of(one_of(SERVICES)), "Services it may ask of us.", default=SERVICES, unreadable=known_of(SERVICES)
    )
    outgoing: frozenset[str] = rule(
        set_of(one_of(SERVICES)), "Services we may ask of it.", default=SERVICES, unreadable=known_of(SERVICES)
    )
    check_host: bool = rule(flag, "Its calls must come from its host, or from its addresses.", default=False)
    addresses: tuple[str, ...] = rule(
        list_of(caller),
        "Host names, addresses and networks it may call from; when there are any, others are refused.",
        default=(),
    )
    destinations: frozenset[str] | None = rule(
        set_of(title), "AE titles it may name in C-MOVE; null for every registered one.", unreadable=known_of(())
    )
    lenient_relational: bool = rule(
        flag, "Unique keys above the level may be missing without being negotiated (PS3.4 C.4.1.2.2.1).", default=False
    )
    character_set: str = rule(charset, "Character set of what it sends without naming one (0008,0005).", default="")
    response_character_set: str = rule(
        charset, "Character set of our answers; empty for that of its question.", default=""
    )
    preferred_syntaxes: tuple[str, ...] = rule(
        list_of(syntax), "Transfer syntaxes for what we send it, best first; empty for as stored.", default=()
    )
    accepted_syntaxes: tuple[str, ...] = rule(
        list_of(syntax), "Transfer syntaxes taken from it, best first; empty for all that are known.", default=()
    )
    connect_timeout_s: float | None = rule(
        seconds(0.1, MAX_TIMEOUT_S), "Seconds to wait for a connection to it; null for the setting."
    )
    response_timeout_s: float | None = rule(
        seconds(0.1, MAX_TIMEOUT_S), "Seconds to wait for its answer; null for the setting."
    )
    pdu_timeout_s: float | None = rule(
        seconds(0.1, MAX_TIMEOUT_S), "Seconds it may take over one PDU or message; null for the setting."
    )
    idle_timeout_s: float | None = rule(
        seconds(0.1, MAX_TIMEOUT_S), "Seconds its association may stand idle; null for the setting."
    )
    max_associations: int | None = rule(
        whole(1, 10_000), "Associations it may hold open at a time; null for the setting."
    )
    failover: tuple[str, ...] = rule(
        list_of(address),
        "Where else it can be reached, HOST:PORT or AETITLE@HOST:PORT, tried in order when there is no association to "
        "be had at its own address.",
        default=(),
    )
    calling_ae: str = rule(optional(title), "The AE title that we send to it as; empty for ours.", default="")
    calling_as_source: bool = rule(
        flag, "What we send to it is sent as the AE title that the object came from.", default=False
    )
    priority: str = rule(
        one_of(PRIORITIES), "How urgent a delivery to it is that does not say: low, medium, high.", default="medium"
    )
    bytes_per_s: int | None = rule(
        whole(1_000, 10**11), "Most bytes a second that all associations together send to it; null for no limit."
    )
    hours: tuple[str, ...] = rule(
        list_of(hours),
        "When deliveries to it leave, 19:00-06:30 or sat-sun 00:00-24:00 in the time of this server; empty for always. "
        "What is of high priority, and C-MOVE, do not wait.",
        default=(),
    )
    fallback: bool = rule(
        flag,
        "It is an archive that is asked for studies which are not here when somebody retrieves them.",
        default=False,
    )
    quiet_s: float | None = rule(
        seconds(0.1, MAX_TIMEOUT_S),
        "Seconds without a new object after which a study that it sends counts as complete; null for the setting.",
    )
    notify_ian: bool = rule(flag, "It is told when studies can be had (PS3.4 annex R).", default=False)
    mpps_from_images: bool = rule(
        flag,
        "It sends no performed procedure steps: its first image stands for their beginning, a complete study for their "
        "end.",
        default=False,
    )
    notify_mpps: bool = rule(flag, "It is told of performed procedure steps (PS3.4 F.9).", default=False)
    forward_mpps: tuple[str, ...] = rule(
        list_of(title), "AE titles that its performed procedure steps are passed on to.", default=()
    )
    as_received: bool = rule(flag, "It is handed objects as they were received, without corrections.", default=False)
    worklist: WorklistPolicy = part(WorklistPolicy, "How the worklist meets it.")
    strict_mpps: bool = rule(
        flag,
        "What PS3.4 table F.7.2-1 demands of its performed procedure steps is demanded; otherwise only what they "
        "cannot do without.",
        default=False,
    )
    commit: str = rule(
        one_of(COMMIT_MODES), "Where it takes the report of a storage commitment: auto, new, same.", default="auto"
    )
    commit_check: str = rule(
        one_of(COMMIT_CHECKS),
        "What is checked before an object is committed: row, exists, size, digest.",
        default="digest",
    )
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def reserved(cls) -> frozenset[str]:
        return RESERVED

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        # Named classes: a slotted dataclass is another class than the one that ``super()`` would look at; that a
        # classmethod has its function below it is what mypy does not know.
        return replace(Rules.from_row.__func__(cls, row), more=_others(cls, row))  # type: ignore[attr-defined,no-any-return]

    @classmethod
    def parse(cls, row: Any, faults: list[Fault], at: str = "") -> Self:
        made: Self = Rules.parse.__func__(cls, row, faults, at)  # type: ignore[attr-defined]  # as above
        return replace(made, more=_others(cls, row)) if isinstance(row, Mapping) else made

    def to_row(self) -> dict[str, Any]:
        return {**self.more, **Rules.to_row(self)}


def _others(cls: type[Rules], row: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {each.name for each in cls.typed()}
    return MappingProxyType({name: value for name, value in row.items() if name not in known})
