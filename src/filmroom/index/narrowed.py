"""Named statements with the condition of what somebody sees put where they say so: ``/*seen*/ true``.

It is part of the statement, before its ORDER BY and LIMIT: what is out of sight is neither paged nor counted.
"""

from collections.abc import Callable
from typing import Any, Final

from filmroom.db.pool import Connection
from filmroom.db.queries import Statement
from filmroom.index.query_terms import Parameters

PLACE: Final = "/*seen*/ true"


async def rows_seen(
    connection: Connection, statement: Statement, seen: Callable[[Parameters], str], **values: Any
) -> list[Any]:
    """Every row that is in sight. ``seen`` gives the condition on the statement's aliases."""
    assert PLACE in statement.sql, f"{statement.name} does not say where"
    at = Parameters()
    at.values.extend(statement.bound(values))
    rows: list[Any] = await connection.fetch(statement.sql.replace(PLACE, seen(at)), *at.values)
    return rows
