"""The first image of a large CT in OHIF, from the click to the pixels."""

import contextlib
import statistics
from collections.abc import Callable

from bench.framework import Bench, Sample, Scenario
from bench.servers import Server
from bench.viewer import address, browser, open_study, profile

_SLICES = (1000, 40)


def _first_image(*, known: bool) -> Callable[[Bench, Server], Sample]:
    """``known``: the browser has been here before and holds the viewer's files."""

    def run(bench: Bench, server: Server) -> Sample:
        study = bench.ensure(server, "ct", 40, bench.scale.count(*_SLICES))
        times, requests = [], 0
        with address(server) as site, browser() as running:
            for _ in range(bench.scale.count(3, 1)):
                with contextlib.closing(profile(running, server)) as context:
                    if known:
                        open_study(context, site, study.uid)
                    opened = open_study(context, site, study.uid)
                    times.append(opened.first_image_ms)
                    requests = opened.requests
        return Sample(statistics.median(times), note=f"{requests} requests until then")

    return run


SCENARIOS = (
    Scenario("viewer, first image of a 1,000-slice CT, new browser", "ms", "less", _first_image(known=False), 1.0),
    Scenario("viewer, first image of a 1,000-slice CT, known browser", "ms", "less", _first_image(known=True), 1.0),
)
