"""C-FIND and QIDO-RS in an archive with a population."""

from collections.abc import Callable

from bench import jobs
from bench.corpus import Study, dataset
from bench.framework import Bench, NotOffered, Sample, Scenario
from bench.jobs import Fetch
from bench.servers import Server

JSON = "application/dicom+json"
_SERIES = 500

_STUDY_KEYS = {
    0x00080020: ("DA", ""),
    0x00080030: ("TM", ""),
    0x00080050: ("SH", ""),
    0x00080052: ("CS", "STUDY"),
    0x00081030: ("LO", ""),
    0x00100010: ("PN", ""),
    0x00100020: ("LO", ""),
    0x0020000D: ("UI", ""),
}


def series_of_500(bench: Bench, server: Server) -> Study:
    """The long series that several scenarios share."""
    return bench.ensure(server, "ct", 1, bench.scale.count(_SERIES, 50))


def _find(what: str, tag: int, vr: str, value: Callable[[Study], str], target: float | None) -> Scenario:
    def run(bench: Bench, server: Server) -> Sample:
        studies = bench.ensure_archive(server)
        count = bench.scale.count(100, 10)
        asked = [studies[number * 37 % len(studies)] for number in range(count)]
        identifiers = [dataset(_STUDY_KEYS | {tag: (vr, value(study))}) for study in asked]
        done = bench.measured(server, jobs.finds, [(bench.target(server), identifiers, 1)])
        return done.sample(done.p50_ms)

    return Scenario(f"C-FIND study by {what}", "ms", "less", run, target)


def _find_images(bench: Bench, server: Server) -> Sample:
    study = series_of_500(bench, server)
    identifier = dataset(
        {
            0x00080018: ("UI", ""),
            0x00080052: ("CS", "IMAGE"),
            0x0020000D: ("UI", study.uid),
            0x0020000E: ("UI", study.series_uid),
            0x00200013: ("IS", ""),
        }
    )
    expected = bench.scale.count(_SERIES, 50)
    asked = [identifier] * bench.scale.count(10, 3)
    done = bench.measured(server, jobs.finds, [(bench.target(server), asked, expected)])
    return done.sample(done.p50_ms)


def _qido(bench: Bench, server: Server, paths: list[str], clients: int = 1) -> Sample:
    fetches = [Fetch(path, JSON) for path in paths]
    done = bench.measured(server, jobs.fetches, [(bench.target(server), fetches)] * clients)
    return done.sample(done.p50_ms if clients == 1 else done.count / done.seconds)


def _by_id(bench: Bench, server: Server, count: int) -> list[str]:
    studies = bench.ensure_archive(server)
    asked = [studies[number * 37 % len(studies)] for number in range(count)]
    return [f"/dicom-web/studies?PatientID={study.patient_id}" for study in asked]


def _qido_id(bench: Bench, server: Server) -> Sample:
    return _qido(bench, server, _by_id(bench, server, bench.scale.count(100, 10)))


def _qido_id_8(bench: Bench, server: Server) -> Sample:
    return _qido(bench, server, _by_id(bench, server, bench.scale.count(100, 10)), clients=8)


def _qido_20(bench: Bench, server: Server) -> Sample:
    bench.ensure_archive(server)
    return _qido(bench, server, ["/dicom-web/studies?limit=20"] * bench.scale.count(40, 5))


def _qido_deep(bench: Bench, server: Server) -> Sample:
    """The last full page but one, as a list scrolled to its end asks for it."""
    offset = len(bench.ensure_archive(server)) - 40
    if _page_size(server, offset) != 20:
        raise NotOffered(f"no full page at offset {offset}")
    return _qido(bench, server, [f"/dicom-web/studies?limit=20&offset={offset}"] * bench.scale.count(20, 5))


def _page_size(server: Server, offset: int) -> int:
    with server.web() as connection:
        answer = connection.get(f"/dicom-web/studies?limit=20&offset={offset}", accept=JSON)
    return len(answer.json() or []) if answer.status == 200 else 0


def _qido_instances(bench: Bench, server: Server) -> Sample:
    study = series_of_500(bench, server)
    path = f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/instances?limit=1000"
    return _qido(bench, server, [path] * bench.scale.count(10, 3))


SCENARIOS = (
    _find("patient id", 0x00100020, "LO", lambda study: study.patient_id, 20),
    _find("study uid", 0x0020000D, "UI", lambda study: study.uid, 20),
    _find("name", 0x00100010, "PN", lambda study: study.patient_name.split("^")[0] + "*", 20),
    _find("accession", 0x00080050, "SH", lambda study: study.accession, 20),
    _find("date", 0x00080020, "DA", lambda study: study.date, 20),
    Scenario("C-FIND 500 images", "ms", "less", _find_images, 4.0),
    Scenario("QIDO study by id", "ms", "less", _qido_id, 2.0),
    Scenario("QIDO study by id, 8 clients", "requests/s", "more", _qido_id_8, 2.6),
    Scenario("QIDO 20 studies", "ms", "less", _qido_20, 2.0),
    Scenario("QIDO 20 studies, deep page", "ms", "less", _qido_deep, 30.0),
    Scenario("QIDO 500 instances", "ms", "less", _qido_instances, 10.0),
)
