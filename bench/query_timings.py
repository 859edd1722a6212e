"""How long questions take inside the use case, on an index filled by bench.seed_studies.

``python -m bench.query_timings postgresql://...``: median and worst of each question, in milliseconds, values varied.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from bench.seed_studies import INSTANCES_A_SERIES, UID_ROOT
from filmroom.archive.query import Query
from filmroom.db.pool import Database
from filmroom.dicom.matching import question_from_query
from filmroom.dicom.question import Level, Question
from filmroom.security.principals import SYSTEM

ROUNDS = 40
RETURNS = (
    "00080020,00080030,00080050,00080061,00080090,00081030,00100010,"
    "00100020,00100030,00100040,00200010,00201206,00201208"
)

Asked = Callable[[int], dict[str, str]]


def questions(studies: int) -> dict[str, tuple[Level, Asked]]:
    """What is asked, by name; the number varies the value."""
    study, image = Level.STUDY, Level.IMAGE
    uid = f"{UID_ROOT}.{studies}"
    return {
        "patient id": (study, lambda n: {"PatientID": f"P{1 + n * 977 % (studies * 2 // 5)}"}),
        "accession": (study, lambda n: {"AccessionNumber": f"A{1 + n * 7919 % studies}"}),
        "study uid": (study, lambda n: {"StudyInstanceUID": f"{UID_ROOT}.{1 + n * 7919 % studies}"}),
        "name prefix, few": (study, lambda n: {"PatientName": f"OUYANG^WEI{'abcdefgh'[n % 8]}*"}),
        "name prefix, many": (study, lambda n: {"PatientName": "WANG*"}),
        "name exact, accents": (study, lambda n: {"PatientName": "müller^anna"}),
        "name inside": (study, lambda n: {"PatientName": "*yang^xiao*"}),
        "name inside, none": (study, lambda n: {"PatientName": f"*qqzz{n}*"}),
        "name inside, Chinese": (study, lambda n: {"PatientName": "*小明*"}),
        "fuzzy pinyin": (study, lambda n: {"PatientName": "ouyang weiming", "fuzzymatching": "true"}),
        "fuzzy prefix": (study, lambda n: {"PatientName": "ouya* weim*", "fuzzymatching": "true"}),
        "date range, first page": (study, lambda n: {"StudyDate": f"20{15 + n % 8}0101-20{15 + n % 8}1231"}),
        "one day": (study, lambda n: {"StudyDate": f"20200{1 + n % 9}15"}),
        "date range and modality": (study, lambda n: {"StudyDate": "20200101-20201231", "ModalitiesInStudy": "NM"}),
        "modality, none": (study, lambda n: {"ModalitiesInStudy": "OCT"}),
        "description inside": (study, lambda n: {"StudyDescription": "*pa lat*"}),
        "station of some series": (study, lambda n: {"StationName": f"STATION{n % 40}"}),
        "first 20 of all": (study, lambda n: {"limit": "20"}),
        "deep page of 20, offset": (study, lambda n: {"limit": "20", "offset": str(studies // 2)}),
        "500 instances": (image, lambda n: {"SeriesInstanceUID": f"{uid}.1", "limit": "500"}),
        "series of a study": (Level.SERIES, lambda n: {"StudyInstanceUID": f"{UID_ROOT}.{1 + n * 7919 % studies}"}),
    }


async def time_one(query: Query, level: Level, ask: Asked, rounds: int) -> tuple[list[float], int]:
    """Milliseconds of each round, and the number of answers of the last."""
    took, found = [], 0
    for n in range(rounds):
        parameters = {"includefield": RETURNS, "limit": "200"} | ask(n)
        question = question_from_query(list(parameters.items()), level)
        begun = time.perf_counter()
        answers, _ = await query.page(SYSTEM, question)
        took.append((time.perf_counter() - begun) * 1000)
        found = len(answers)
    return took, found


async def main() -> None:
    """Time every question against the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    url = parser.parse_args().url
    database = await Database.open(url, size=2)
    async with database.connection() as connection:
        studies = await connection.fetchval("SELECT count(*) FROM study")
    query = Query(database, retrieve_ae_title="FILMROOM")
    print(f"{studies} studies\n{'question':28}{'answers':>8}{'p50 ms':>9}{'p95 ms':>9}{'worst':>9}")
    for name, (level, ask) in questions(studies).items():
        took, found = await time_one(query, level, ask, ROUNDS)
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"{name:28}{found:>8}{statistics.median(took):>9.2f}{p95:>9.2f}{max(took):>9.2f}")
    await count_and_walk(query)
    await database.close()


async def count_and_walk(query: Query) -> None:
    """Counting everything, and reading 20,000 answers by keyset."""
    everything = Question(level=Level.STUDY)
    begun = time.perf_counter()
    total = await query.count(SYSTEM, everything)
    print(f"{'count all':28}{total:>8}{(time.perf_counter() - begun) * 1000:>9.2f}")
    begun, seen = time.perf_counter(), 0
    async for _ in query.find(SYSTEM, replace(everything, limit=20_000)):
        seen += 1
    print(f"{'read by keyset, each':28}{seen:>8}{(time.perf_counter() - begun) * 1000 / seen:>9.3f}")


assert INSTANCES_A_SERIES >= 500

if __name__ == "__main__":
    asyncio.run(main())
