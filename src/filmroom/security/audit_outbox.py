"""What the audit repository is still to be sent: the trail itself, from a cursor on."""

from collections.abc import Sequence
from datetime import datetime

from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.audit_chain import event_of
from filmroom.security.audit_messages import dicom_xml

sql = queries.load("filmroom.security", "audit.sql")


class AuditOutbox:
    """Records as DICOM messages, in order. ``reader`` names the cursor: one repository, one cursor."""

    def __init__(self, database: Database, *, source: str, reader: str = "audit-syslog") -> None:
        self._database = database
        self._source = source
        self._reader = reader
        self._after: int | None = None

    async def next(self, limit: int) -> Sequence[tuple[int, datetime, str, bytes]]:
        """Number, time, kind and message of what is to be sent next."""
        async with self._database.connection() as connection:
            if self._after is None:
                self._after = await sql.sent_upto.value(connection, reader=self._reader) or 0
            rows = await sql.rows_after.all(connection, after=self._after, limit=limit)
        return [(row["seq"], row["at"], row["kind"], dicom_xml(event_of(row["body"]), self._source)) for row in rows]

    async def sent(self, upto: int) -> None:
        """Everything up to this number is gone."""
        self._after = upto
        async with self._database.connection() as connection:
            await sql.set_sent.run(connection, reader=self._reader, seq=upto)

    async def back(self, count: int) -> None:
        """The last messages may not have arrived."""
        await self.sent(max(0, (self._after or 0) - count))
