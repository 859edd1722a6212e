"""Two plans in one statement, for keys of which nobody can say beforehand how many rows they let through.

``*yang^xiao*`` may be one patient of a million or one of ten. Walking the order and filtering is right for the many,
looking each one up and sorting for the few; the database's estimate of a pattern is too rough to choose by (a wrong
choice took 2 s at a million studies). So the few are counted first, up to a bound, and the count chooses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

# Up to this many are looked up (some 10,000 studies are then sorted, 40 ms); more than this are met soon on a walk.
FEW: Final = 4000


@dataclass(frozen=True, slots=True)
class Narrow:
    """``candidates`` selects keys by an uncertain condition; ``column`` of the rows of the page refers to them."""

    candidates: str
    column: str


def two_plans(narrow: Narrow, page: Callable[[str], str], sorting: str) -> str:
    """The page either by its few candidates or by a walk. ``page`` puts a further condition into the page's statement.

    The branch that is not chosen is not run: its condition does not depend on any row.
    """
    count = "(SELECT count(*) FROM few)"
    # As an array, the candidates are taken for few, whatever the estimate: then they are looked up.
    looked_up = page(f"{count} <= {FEW} AND {narrow.column} = ANY(ARRAY(SELECT few.pk FROM few))")
    walked = page(f"{count} > {FEW}")
    return (
        f"WITH few AS MATERIALIZED ({narrow.candidates} LIMIT {FEW + 1})"
        f" SELECT * FROM (({looked_up}) UNION ALL ({walked})) AS found ORDER BY {sorting}"
    )
