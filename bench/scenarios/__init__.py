"""All scenarios, in the order of the report."""

from bench.framework import Scenario
from bench.scenarios import connections, ingest, query, retrieve, secure, viewer, web

ALL: tuple[Scenario, ...] = (
    *ingest.SCENARIOS,
    *connections.SCENARIOS,
    *secure.SCENARIOS,
    *query.SCENARIOS,
    *retrieve.SCENARIOS,
    *web.SCENARIOS,
    *viewer.SCENARIOS,
)
