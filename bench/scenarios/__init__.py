"""All scenarios, in the order of the report."""

from bench.framework import Scenario
from bench.scenarios import connections, ingest, query, retrieve, viewer, web

ALL: tuple[Scenario, ...] = (
    *ingest.SCENARIOS,
    *connections.SCENARIOS,
    *query.SCENARIOS,
    *retrieve.SCENARIOS,
    *web.SCENARIOS,
    *viewer.SCENARIOS,
)
