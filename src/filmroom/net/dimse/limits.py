"""Limits of one association, each with its reason. The timeouts come from the settings."""

from dataclasses import dataclass, replace

from filmroom.archive.devices import DevicePolicy
from filmroom.settings import DimseSettings

# What waits in a socket's write buffer before a sender is held: two PDUs more than one object of a CT.
WRITE_HIGH_BYTES = 1_048_576

# A peer that has taken pdu_timeout over one message must have sent at least this much a second on average; the
# slowest real lines (ISDN) made 8,000.
MIN_RATE_BYTES_S = 1024

# Identifiers are small; this one would hold 100,000 UIDs of a list.
MAX_IDENTIFIER_BYTES = 8 * 2**20

# Operations a peer may have outstanding with us, when it negotiates an asynchronous window. Stores then share
# the cost of being made durable.
OPERATIONS_WINDOW = 8

# Answers that may wait for a slow reader of ours before the peer is held.
MAX_WAITING_ANSWERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLimits:
    """Deadlines in seconds, sizes in bytes."""

    max_pdu_bytes: int = 131_072
    artim_timeout_s: float = 30.0
    idle_timeout_s: float = 600.0
    pdu_timeout_s: float = 60.0
    response_timeout_s: float = 60.0
    connect_timeout_s: float = 10.0

    @classmethod
    def of(cls, settings: DimseSettings) -> "ChannelLimits":
        return cls(
            max_pdu_bytes=settings.max_pdu_bytes,
            artim_timeout_s=settings.artim_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
            pdu_timeout_s=settings.pdu_timeout_s,
            response_timeout_s=settings.response_timeout_s,
            connect_timeout_s=settings.connect_timeout_s,
        )

    def of_device(self, policy: DevicePolicy) -> "ChannelLimits":
        """The same, with the times that a device has of its own."""
        own = {
            name: seconds
            for name in ("connect_timeout_s", "response_timeout_s", "pdu_timeout_s", "idle_timeout_s")
            if (seconds := getattr(policy, name)) is not None
        }
        return replace(self, **own) if own else self

    def timeouts_s(self) -> tuple[float, ...]:
        """Every timeout that the reactor's wheel keeps."""
        return (self.artim_timeout_s, self.idle_timeout_s, self.pdu_timeout_s, self.response_timeout_s)
