"""``python -m bench``: Filmroom and Orthanc side by side, in one run."""

import argparse
import contextlib
import fnmatch
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import report
from bench.framework import Bench, Scale, Scenario
from bench.scenarios import ALL
from bench.servers import ROOT, Filmroom, Orthanc, Server

_SERVERS: dict[str, type[Server]] = {"filmroom": Filmroom, "orthanc": Orthanc}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    chosen = _chosen(options.only)
    if options.list:
        print("\n".join(scenario.name for scenario in chosen))
        return 0
    options.folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with us
    with contextlib.ExitStack() as stack:
        servers = [_started(name, options.folder, stack) for name in options.servers.split(",")]
        bench = Bench(servers, Scale(options.quick, 300 if options.quick else options.archive))
        stack.callback(bench.close)
        versions = {server.name: server.version() for server in servers}
        entries = [_play(bench, scenario, 1 if options.quick else options.rounds) for scenario in chosen]
    print("\n" + "\n".join(report.lines(entries)))
    if not options.quick and not options.no_record and len(versions) > 1:
        document = {
            "date": report.today(),
            "machine": report.machine(options.folder),
            "versions": versions,
            "rounds": options.rounds,
            "archive": options.archive,
            "results": entries,
        }
        print(f"\nrecorded in {report.save(document).relative_to(ROOT)}")
    return 1 if any(_unfound(entry) for entry in entries) else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("only", nargs="*", help="scenarios whose name contains this, or matches it as a pattern")
    parser.add_argument("--quick", action="store_true", help="tiny counts, one round: to see that everything runs")
    parser.add_argument("--rounds", type=int, default=3, help="samples per scenario and server (default 3)")
    parser.add_argument("--archive", type=int, default=3000, help="small objects to search in (default 3000)")
    parser.add_argument("--servers", default="filmroom,orthanc", help="comma-separated: filmroom, orthanc")
    parser.add_argument("--folder", type=Path, default=ROOT / "data/bench", help="where both keep their data")
    parser.add_argument("--no-record", action="store_true", help="do not write bench/results")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    return parser


def _chosen(patterns: Sequence[str]) -> list[Scenario]:
    if not patterns:
        return list(ALL)
    wanted = [f"*{pattern.lower()}*" for pattern in patterns]
    return [each for each in ALL if any(fnmatch.fnmatch(each.name.lower(), pattern) for pattern in wanted)]


def _started(name: str, folder: Path, stack: contextlib.ExitStack) -> Server:
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    server = _SERVERS[name](place)
    stack.callback(shutil.rmtree, place, ignore_errors=True)
    stack.callback(server.stop)
    server.start()
    return server


def _play(bench: Bench, scenario: Scenario, rounds: int) -> dict[str, object]:
    print(f"{scenario.name} ...", end=" ", flush=True)
    results = bench.play(scenario, rounds)
    entry = report.record(scenario, results)
    print("  ".join(f"{name} {_brief(each)}" for name, each in entry["servers"].items()), scenario.unit, flush=True)
    for name, result in results.items():
        if result.problem and not result.problem.startswith("not offered"):
            print(f"{name}:\n{result.problem}", file=sys.stderr, flush=True)
    return entry


def _brief(server: dict[str, object]) -> str:
    return str(server["problem"] or server["value"])


def _unfound(entry: dict[str, object]) -> bool:
    """Whether Filmroom acknowledged something that a search does not show."""
    servers: dict[str, dict[str, list[str]]] = entry["servers"]  # type: ignore[assignment]
    counts = [text.split("/") for text in servers.get("filmroom", {}).get("found", [])]
    return any(found != acknowledged for found, acknowledged in counts)


if __name__ == "__main__":
    sys.exit(main())
