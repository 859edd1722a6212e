"""How long modality worklist queries take inside the use case and its encoding, with 50,000 steps open.

``python -m bench.worklist_timings postgresql://...`` fills an empty database first (100 days of 500 steps). Printed are
the median, the worst and the processor time of this process, in milliseconds.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

from filmroom.db.migrate import migrate
from filmroom.db.pool import Connection, Database
from filmroom.net.dimse.scp.fragments import AnswerWriter
from filmroom.security.principals import SYSTEM
from filmroom.workflow.asking import read
from filmroom.workflow.mwl import Worklist

EXPLICIT_LE = "1.2.840.10008.1.2.1"
STEPS = 50_000
A_DAY = 500
ROUNDS = 15

PATIENTS = """
INSERT INTO patient (name_alphabetic, name_ideographic, name_phonetic, name_terms, name_sort, birth_date, sex,
    attributes)
SELECT 'ward^' || n, '', '', ARRAY['ward', n::text], 'ward^' || n, '19600101', 'F', jsonb_build_object(
    '00100010', jsonb_build_object('vr', 'PN', 'Value', jsonb_build_array(jsonb_build_object('Alphabetic',
        'WARD^' || n))),
    '00100030', '{"vr": "DA", "Value": ["19600101"]}'::jsonb, '00100040', '{"vr": "CS", "Value": ["F"]}'::jsonb)
FROM generate_series(1, $1::int) n
"""
ORDERS = """
INSERT INTO imaging_order (patient_pk, patient_id, accession, attributes, created_at, updated_at)
SELECT pk, 'W' || pk, 'WA' || pk, jsonb_build_object(
    '00080050', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('WA' || pk)),
    '00080090', '{"vr": "PN", "Value": [{"Alphabetic": "WHO^DOCTOR"}]}'::jsonb,
    '00321032', '{"vr": "PN", "Value": [{"Alphabetic": "WHO^DOCTOR"}]}'::jsonb,
    '00380010', jsonb_build_object('vr', 'LO', 'Value', jsonb_build_array('V' || pk)),
    '00380300', '{"vr": "LO", "Value": ["Ward 3"]}'::jsonb), now(), now()
FROM patient WHERE name_alphabetic LIKE 'ward^%'
"""
PROCEDURES = """
INSERT INTO requested_procedure (order_pk, procedure_id, study_uid, attributes)
SELECT pk, 'R' || pk, '2.25.77' || pk, jsonb_build_object(
    '00401001', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('R' || pk)),
    '00321060', '{"vr": "LO", "Value": ["CT of the head"]}'::jsonb,
    '0020000D', jsonb_build_object('vr', 'UI', 'Value', jsonb_build_array('2.25.77' || pk)),
    '00401003', '{"vr": "SH", "Value": ["ROUTINE"]}'::jsonb)
FROM imaging_order WHERE accession LIKE 'WA%'
"""
SCHEDULED = """
INSERT INTO scheduled_step (procedure_pk, order_pk, step_id, stations, modality, start_date, start_time, attributes,
    created_at, changed_at)
SELECT pk, order_pk, 'S' || pk, ARRAY[ae], modality, day, clock, jsonb_build_object(
    '00400001', jsonb_build_object('vr', 'AE', 'Value', jsonb_build_array(ae)),
    '00400002', jsonb_build_object('vr', 'DA', 'Value', jsonb_build_array(day)),
    '00400003', jsonb_build_object('vr', 'TM', 'Value', jsonb_build_array(clock)),
    '00080060', jsonb_build_object('vr', 'CS', 'Value', jsonb_build_array(modality)),
    '00400006', '{"vr": "PN", "Value": [{"Alphabetic": "HOUSE^GREG"}]}'::jsonb,
    '00400007', '{"vr": "LO", "Value": ["CT of the head, plain"]}'::jsonb,
    '00400009', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('S' || pk)),
    '00400010', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('ROOM ' || n % 20))), now(), now()
FROM (
    SELECT pk, order_pk, n, 'STATION' || n % 20 AS ae, (ARRAY['CT', 'MR', 'DX', 'US'])[1 + n % 4] AS modality,
        to_char(date '2026-07-01' + (n / $1::int)::int, 'YYYYMMDD') AS day,
        to_char(time '07:00' + n % $1::int * interval '1 minute', 'HH24MISS') || '.000000' AS clock
    FROM (SELECT pk, order_pk, row_number() OVER (ORDER BY pk) - 1 AS n
          FROM requested_procedure WHERE procedure_id LIKE 'R%') AS numbered
) AS drawn
"""

_STEP = ("00400001", "00400002", "00400003", "00080060", "00400006", "00400007", "00400008", "00400009", "00400010")
_ITEM = (
    *("00080050", "00080090", "00100010", "00100020", "00100030", "00100040", "0020000D", "00321032", "00321060"),
    *("00321064", "00380010", "00380300", "00401001", "00401003"),
)
_VRS = {"00100010": "PN", "00400006": "PN", "00080090": "PN", "00321032": "PN", "00400008": "SQ", "00321064": "SQ"}


def identifier(step: dict[str, str], **keys: str) -> dict[str, Any]:
    """What modalities ask: the usual attributes, some of them with a value."""
    asked = {name: _element(name, keys.get(name, "")) for name in _ITEM}
    inner = {name: _element(name, step.get(name, "")) for name in _STEP}
    return asked | {"00400100": {"vr": "SQ", "Value": [inner]}}


def _element(name: str, value: str) -> dict[str, Any]:
    vr = _VRS.get(name, "LO")
    return {"vr": vr, "Value": [{"Alphabetic": value} if vr == "PN" else value]} if value else {"vr": vr}


QUESTIONS = {
    "a whole day": identifier({"00400002": "20260801"}),
    "a day of one modality": identifier({"00400002": "20260801", "00080060": "CT"}),
    "a day of one station": identifier({"00400002": "20260801", "00400001": "STATION3"}),
    "a patient id": identifier({}, **{"00100020": "W4711"}),
    "an accession number": identifier({}, **{"00080050": "WA4711"}),
    "a name": identifier({}, **{"00100010": "WARD^471*"}),
}


async def filled(database: Database) -> None:
    """Fill the database unless there are steps."""
    await migrate(database)
    async with database.transaction() as tx:
        if not await tx.fetchval("SELECT EXISTS (SELECT FROM scheduled_step)"):
            await _fill(tx)
    async with database.connection() as connection:
        await connection.execute("ANALYZE patient, imaging_order, requested_procedure, scheduled_step", timeout=600.0)


async def _fill(tx: Connection) -> None:
    long = {"timeout": 600.0}
    await tx.execute(PATIENTS, STEPS, **long)
    await tx.execute(ORDERS, **long)
    await tx.execute(PROCEDURES, **long)
    await tx.execute(SCHEDULED, A_DAY, **long)


async def time_one(worklist: Worklist, asked_for: dict[str, Any]) -> tuple[list[float], float, int]:
    """Milliseconds of each round, mean processor time of this process, answers."""
    took, answers, cpu_began = [], 0, time.process_time()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        asked = read(asked_for, calling_ae="CT1")
        writer = AnswerWriter(EXPLICIT_LE, asked.charset)
        answers = len([writer.write(each) async for each in worklist.find(SYSTEM, asked)])
        took.append((time.perf_counter() - began) * 1000)
    return took, (time.process_time() - cpu_began) * 1000 / ROUNDS, answers


async def main() -> None:
    """Time every question against the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    database = await Database.open(parser.parse_args().url, size=2)
    await filled(database)
    worklist = Worklist(database)
    print(f"{'question':28}{'answers':>8}{'p50 ms':>9}{'worst':>9}{'CPU ms':>9}")
    for name, asked_for in QUESTIONS.items():
        took, cpu_ms, answers = await time_one(worklist, asked_for)
        print(f"{name:28}{answers:>8}{statistics.median(took):>9.2f}{max(took):>9.2f}{cpu_ms:>9.2f}")
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
