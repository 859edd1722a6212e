"""Associations themselves: echo, set-up, and a thousand that say nothing."""

import resource
import time

from bench import dimse, jobs, measure
from bench.framework import Bench, Sample, Scenario
from bench.servers import Server
from bench.waiting import pause

_IDLE = 1000


def _echo(bench: Bench, server: Server) -> Sample:
    done = bench.measured(server, jobs.echoes, [(bench.target(server), bench.scale.count(2000, 100))])
    return done.sample(done.p50_ms)


def _associations(bench: Bench, server: Server) -> Sample:
    done = bench.measured(server, jobs.associations, [(bench.target(server), bench.scale.count(500, 50))] * 2)
    return done.sample(done.count / done.seconds)


def _idle(bench: Bench, server: Server) -> Sample:
    """CPU share of one core while associations stand open; as many as the server takes, up to a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = bench.scale.count(_IDLE, 100)
    opened: list[dimse.Association] = []
    try:
        for number in range(wanted):
            try:
                opened.append(_open(server, f"IDLE{number % 20}"))
            except (OSError, dimse.Refused):
                break
        measure.settle(server.processes, 5)
        seconds = bench.scale.count(10, 2)
        tree = server.processes().all()
        begun, cpu = time.monotonic(), measure.cpu_seconds(tree)
        pause(seconds)
        share = (measure.cpu_seconds(tree) - cpu) / (time.monotonic() - begun) * 100
        return Sample(share, note=f"{len(opened)} of {wanted} accepted")
    finally:
        for each in opened:
            each.abort()
        measure.settle(server.processes, 5)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _open(server: Server, calling: str) -> dimse.Association:
    return dimse.Association.open(server.dicom, server.ae, [dimse.VERIFICATION], calling=calling, timeout_s=2)


SCENARIOS = (
    Scenario("C-ECHO on an open association", "ms", "less", _echo, 0.5),
    Scenario("associations with one echo, 2 clients", "1/s", "more", _associations),
    Scenario("1,000 idle associations", "% of a core", "less", _idle),
)
