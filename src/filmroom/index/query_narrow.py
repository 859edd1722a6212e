"""Several plans in one statement, for keys of which nobody can say beforehand how many rows they let through.

``*yang^xiao*`` may be one patient of a million or one of ten. Walking the order and filtering is right for the many,
looking each one up and sorting for the few; the database's estimate of a pattern is too rough to choose by (a wrong
choice took 2 s at a million studies). So the few are counted first, up to a bound, and the count chooses.

Studies in their own order have two more: the newest are looked through, up to a bound, which is all for a modality that
every day has; and where the newest hold hardly any of the many (accession numbers of ten years ago), all are sorted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Up to this many are looked up (some 10,000 studies are then sorted, 40 ms); more than this are met soon on a walk.
FEW: Final = 4000
# Studies that are looked through before anything else is tried: 3 ms.
NEAR: Final = 3000
# A walk is gone on with where it would take at most so many times NEAR.
WALKS: Final = 20


@dataclass(frozen=True, slots=True)
class Narrow:
    """``candidates`` selects keys by an uncertain condition; ``column`` of the rows of the page refers to them.

    ``common``: counting them costs more than looking through the newest, which are likely to be enough. ``beside``: the
    page's own conditions do not say it so that an index could be used.
    """

    candidates: str
    column: str
    common: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Pages:
    """How the page can be found; each puts further conditions into its statement. ``limit`` is its number of rows."""

    walk: Callable[..., str]
    near: Callable[..., str]  # among the newest NEAR only
    sort: Callable[..., str]  # all of them, sorted then
    limit: str


def two_plans(narrow: Narrow, page: Callable[..., str], sorting: str) -> str:
    """The page either by its few candidates or by a walk. ``page`` puts further conditions into the page's statement.

    The branch that is not chosen is not run: its condition does not depend on any row.
    """
    looked_up = page(f"{_COUNT} <= {FEW}", _looked_up(narrow))
    walked = page(f"{_COUNT} > {FEW}")
    return (
        f"WITH few AS MATERIALIZED ({narrow.candidates} LIMIT {FEW + 1})"
        f" SELECT * FROM (({looked_up}) UNION ALL ({walked})) AS found ORDER BY {sorting}"
    )


def four_plans(narrow: Narrow, pages: Pages, sorting: str) -> str:
    """The page of studies in their own order, found by the cheapest of four ways. Only those that are needed are run:
    each begins with a condition that depends on no row of it."""
    few, many = f"{_COUNT} <= {FEW}", f"{_COUNT} > {FEW}"
    short = f"{_FOUND} < {pages.limit}"
    counted = f"few AS MATERIALIZED ({narrow.candidates}{f' AND {short}' if narrow.common else ''} LIMIT {FEW + 1})"
    looked = f"near AS MATERIALIZED ({pages.near() if narrow.common else pages.near(many)})"
    also = [f"{narrow.column} IN ({narrow.candidates})"] if narrow.beside else []
    first, second = (looked, counted) if narrow.common else (counted, looked)
    ways = (
        pages.walk(few, _looked_up(narrow), *([short] if narrow.common else [])),
        f"SELECT * FROM near WHERE {_FOUND} = {pages.limit}",
        pages.walk(many, short, f"{_FOUND} * {WALKS} >= {pages.limit}"),
        pages.sort(many, short, f"{_FOUND} * {WALKS} < {pages.limit}", *also),
    )
    found = " UNION ALL ".join(f"({way})" for way in ways)
    return f"WITH {first}, {second} SELECT * FROM ({found}) AS found ORDER BY {sorting}"


_COUNT: Final = "(SELECT count(*) FROM few)"
_FOUND: Final = "(SELECT count(*) FROM near)"


def _looked_up(narrow: Narrow) -> str:
    # As an array, the candidates are taken for few, whatever the estimate: then they are looked up.
    return f"{narrow.column} = ANY(ARRAY(SELECT few.pk FROM few))"
