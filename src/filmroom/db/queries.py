"""SQL is written as SQL, named, in ``sql/*.sql`` beside its owner, and loaded once.

``-- name: claim_next_job`` begins a statement; ``:name`` marks a parameter, which becomes ``$n`` in order of first use.
"""

import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

from filmroom.db.pool import Connection

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
# Not a cast (::type), not inside a quoted literal or a comment.
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|\$\$.*?\$\$|::\w+|:([a-z_]\w*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One named statement."""

    name: str
    sql: str
    parameters: tuple[str, ...]

    def bound(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of the parameters. Raises TypeError when one is missing or too many."""
        if values.keys() != set(self.parameters):
            raise TypeError(f"{self.name} takes {sorted(self.parameters)}, not {sorted(values)}")
        return [values[name] for name in self.parameters]

    async def all(self, connection: Connection, **values: Any) -> list[Any]:
        """Every row."""
        rows: list[Any] = await connection.fetch(self.sql, *self.bound(values))
        return rows

    async def one(self, connection: Connection, **values: Any) -> Any | None:
        """The first row, or None."""
        return await connection.fetchrow(self.sql, *self.bound(values))

    async def value(self, connection: Connection, **values: Any) -> Any:
        """The first column of the first row, or None."""
        return await connection.fetchval(self.sql, *self.bound(values))

    async def run(self, connection: Connection, **values: Any) -> str:
        """Execute; the command tag ('UPDATE 3')."""
        tag: str = await connection.execute(self.sql, *self.bound(values))
        return tag


class Queries:
    """The statements of one slice, as attributes."""

    def __init__(self, statements: dict[str, Statement]) -> None:
        self._statements = statements

    def __getattr__(self, name: str) -> Statement:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"no statement is named {name}") from None


def load(package: str, file: str | None = None) -> Queries:
    """The statements of ``package``'s folder ``sql`` (one file of it, or all)."""
    statements: dict[str, Statement] = {}
    for entry in resources.files(package).joinpath("sql").iterdir():
        if entry.name.endswith(".sql") and file in {None, entry.name}:
            statements |= parse(entry.read_text(encoding="utf-8"))
    return Queries(statements)


def parse(text: str) -> dict[str, Statement]:
    """The named statements of one file."""
    parts = _NAME.split(text)[1:]
    return {name: _statement(name, body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _statement(name: str, body: str) -> Statement:
    order: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[1] is None:
            return "" if match[0].startswith("--") else match[0]
        return f"${order.setdefault(match[1], len(order) + 1)}"

    sql = _TOKEN.sub(number, body).strip().rstrip(";")
    return Statement(name, sql, tuple(order))
