"""All scenarios, in the order of the report."""

from bench.framework import Scenario
from bench.scenarios import connections, ingest, query, retrieve, web

ALL: tuple[Scenario, ...] = (
    *ingest.SCENARIOS,
    *connections.SCENARIOS,
    *query.SCENARIOS,
    *retrieve.SCENARIOS,
    *web.SCENARIOS,
)
