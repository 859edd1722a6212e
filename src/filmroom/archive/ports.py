"""What the archive needs from its own other parts and from outside, as small protocols."""

from collections.abc import Sequence
from typing import Protocol

from filmroom.storage.spool import SpoolFile


class Quarantining(Protocol):
    """Where objects go that cannot be filed."""

    async def take(
        self,
        *,
        door: str,
        source: str,
        reason: str,
        detail: str,
        sop_class: str,
        sop_uid: str,
        transfer_syntax: str,
        parts: Sequence[bytes],
        spool: SpoolFile | None,
        digest: bytes = b"",
    ) -> int:
        """Keep the bytes (``spool``, or else ``parts``) durably with the reason; the entry's id."""
        ...
