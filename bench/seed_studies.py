"""Fill an index with patients, studies and series (no bytes) to see how queries behave at the size of a hospital.

``python -m bench.seed_studies postgresql://... 300000``. Rows are made inside PostgreSQL from a few thousand names, so
a million studies take about a minute; the spread of dates, modalities and names is that of a large hospital: a third
of the patients have a Chinese name beside the Latin one, and the commonest family name is one patient in fourteen.
"""

import argparse
import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

from filmroom.db.migrate import migrate
from filmroom.db.pool import Connection, Database
from filmroom.dicom.names import name_sort, name_terms, normalise_name

UID_ROOT = "2.25.7001"
STUDIES_A_PATIENT = 2.5
SERIES_A_STUDY = 3
# The newest studies also get instance rows: enough to ask for the images of a large series.
STUDIES_WITH_INSTANCES = 20
INSTANCES_A_SERIES = 500

_FAMILIES = (
    "王:WANG 李:LI 张:ZHANG 刘:LIU 陈:CHEN 杨:YANG 赵:ZHAO 黄:HUANG 周:ZHOU 吴:WU 徐:XU 孙:SUN 胡:HU "
    "朱:ZHU 高:GAO 林:LIN 何:HE 郭:GUO 马:MA 罗:LUO 梁:LIANG 宋:SONG 郑:ZHENG 谢:XIE 韩:HAN 唐:TANG "
    "冯:FENG 于:YU 董:DONG 萧:XIAO 欧阳:OUYANG"
)
_GIVEN = (
    "伟:WEI 芳:FANG 娜:NA 秀:XIU 英:YING 敏:MIN 静:JING 丽:LI 强:QIANG 磊:LEI 军:JUN 洋:YANG 勇:YONG "
    "艳:YAN 杰:JIE 娟:JUAN 涛:TAO 明:MING 超:CHAO 兰:LAN 霞:XIA 平:PING 刚:GANG 桂:GUI 文:WEN 华:HUA "
    "建:JIAN 国:GUO 红:HONG 小:XIAO"
)
_WEST_FAMILIES = (
    "MÜLLER SMITH GARCÍA O'BRIEN IVANOV NGUYEN KOWALSKI SØRENSEN ROSSI DUPONT SILVA JONES BROWN NOVÁK TANAKA"
)
_WEST_GIVEN = "ANNA PETER MARIA JOHN ELENA LUCAS SOFIA IVAN CHLOÉ PAUL MARTA LI^MARIE JAN NINA OTTO"


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(han, latin) for han, _, latin in (entry.partition(":") for entry in text.split())]


def names(seed: int = 7) -> Iterator[dict[str, str]]:
    """Person names as DICOM JSON values, common family names first."""
    rng = random.Random(seed)
    families, given = _pairs(_FAMILIES), _pairs(_GIVEN)
    for rank, (family, first) in enumerate(itertools.product(families, given)):
        for second in rng.sample(given, 12 if rank < 300 else 5):
            latin = f"{family[1]}^{first[1]}{second[1].lower()}"
            yield (
                {"Alphabetic": latin, "Ideographic": f"{family[0]}^{first[0]}{second[0]}"}
                if rng.random() < 0.4
                else {"Alphabetic": latin}
            )
    for family_w, given_w in itertools.product(_WEST_FAMILIES.split(), _WEST_GIVEN.split()):
        yield {"Alphabetic": f"{family_w}^{given_w}"}


def _name_row(number: int, name: dict[str, str]) -> tuple[Any, ...]:
    groups = [normalise_name(name.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return (number, *groups, name_terms(*groups), name_sort(*groups), {"vr": "PN", "Value": [name]})


PATIENTS = """
INSERT INTO patient (name_alphabetic, name_ideographic, name_phonetic, name_terms, name_sort, birth_date, sex,
    attributes)
SELECT alphabetic, ideographic, phonetic, terms, sort, birth, sex, jsonb_build_object(
    '00100010', person, '00100020', jsonb_build_object('vr', 'LO', 'Value', jsonb_build_array('P' || n)),
    '00100030', jsonb_build_object('vr', 'DA', 'Value', jsonb_build_array(birth)),
    '00100040', jsonb_build_object('vr', 'CS', 'Value', jsonb_build_array(sex)))
FROM (
    SELECT n, to_char(date '1930-01-01' + (n * 7919 % 33000)::int, 'YYYYMMDD') AS birth,
           CASE n % 2 WHEN 0 THEN 'F' ELSE 'M' END AS sex, (abs(hashint8(n)) % $2)::int AS name_number
    FROM generate_series(1, $1::bigint) n
) AS drawn JOIN seed_name ON seed_name.number = drawn.name_number
ORDER BY n
"""
IDENTIFIERS = (
    "INSERT INTO patient_identifier (patient_pk, value) SELECT pk, attributes->'00100020'->'Value'->>0 FROM patient"
)
STUDIES = """
INSERT INTO study (study_uid, patient_pk, acquired_patient_pk, study_date, study_time, accession, study_id, description,
    referring, modalities, sop_classes, attributes, n_series, n_instances, size_bytes, received_first, received_last)
SELECT uid, patient, patient, day, clock, 'A' || n, 'S' || n % 100000, lower(text), 'arzt^' || n % 400, ARRAY[modality],
    ARRAY['1.2.840.10008.5.1.4.1.1.2'], jsonb_build_object(
    '0020000D', jsonb_build_object('vr', 'UI', 'Value', jsonb_build_array(uid)),
    '00080020', jsonb_build_object('vr', 'DA', 'Value', jsonb_build_array(day)),
    '00080030', jsonb_build_object('vr', 'TM', 'Value', jsonb_build_array(clock)),
    '00080050', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('A' || n)),
    '00080090', jsonb_build_object('vr', 'PN', 'Value',
        jsonb_build_array(jsonb_build_object('Alphabetic', 'ARZT^' || n % 400))),
    '00081030', jsonb_build_object('vr', 'LO', 'Value', jsonb_build_array(text)),
    '00200010', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('S' || n % 100000))),
    $3, $3 * 100, $3 * 100 * 525000::bigint, now(), now()
FROM (
    SELECT n, $4 || '.' || n AS uid, first + abs(hashint8(n + 11)) % $2 AS patient,
        to_char(date '2014-01-01' + (n * 4300 / $1)::int, 'YYYYMMDD') AS day,
        to_char(time '00:00' + abs(hashint8(n)) % 86400 * interval '1 second', 'HH24MISS') || '.000000' AS clock,
        (ARRAY['CT','CT','CR','CR','DX','DX','DX','MR','US','US','MG','XA','NM','SR'])[1 + n % 14] AS modality,
        (ARRAY['CT CHEST','CT HEAD','CHEST PA','KNEE','HAND','SPINE','CHEST PA LAT','MR BRAIN','US ABDOMEN','US NECK',
               'MAMMO','CORONARY','BONE SCAN','REPORT'])[1 + n % 14] AS text
    FROM generate_series(1, $1::bigint) n, (SELECT min(pk) AS first FROM patient) AS p
) AS made
"""
SERIES = """
INSERT INTO series (series_uid, study_pk, modality, series_number, description, body_part, station_name, institution,
    attributes, sop_classes, n_instances, size_bytes, received_last)
SELECT study_uid || '.' || k, study.pk, modalities[1], k, 'series ' || k, 'CHEST', 'STATION' || study.pk % 40,
    'General Hospital',
    jsonb_build_object('0020000E', jsonb_build_object('vr', 'UI', 'Value', jsonb_build_array(study_uid || '.' || k)),
    '00080060', jsonb_build_object('vr', 'CS', 'Value', jsonb_build_array(modalities[1])),
    '0008103E', jsonb_build_object('vr', 'LO', 'Value', jsonb_build_array('Series ' || k)),
    '00080080', jsonb_build_object('vr', 'LO', 'Value', jsonb_build_array('General Hospital')),
    '00081010', jsonb_build_object('vr', 'SH', 'Value', jsonb_build_array('STATION' || study.pk % 40)),
    '00180015', jsonb_build_object('vr', 'CS', 'Value', jsonb_build_array('CHEST')),
    '00200011', jsonb_build_object('vr', 'IS', 'Value', jsonb_build_array(k))),
    sop_classes, 100, 52500000, now()
FROM study, generate_series(1, $1::int) k
"""
INSTANCES = """
INSERT INTO instance (sop_uid, series_pk, study_pk, sop_class, transfer_syntax, instance_number, rows, columns,
    bits_allocated, dataset_offset, header_bytes, size_bytes, digest, received_at)
SELECT series_uid || '.' || k, series.pk, study_pk, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', k, 512, 512, 16,
    330, 4000, 528000, decode(md5(series_uid || k), 'hex'), now()
FROM series, generate_series(1, $2::int) k
WHERE study_pk IN (SELECT pk FROM study ORDER BY study_date DESC, study_time DESC, pk DESC LIMIT $1)
"""


async def seed(database: Database, studies: int) -> None:
    """Add ``studies`` studies with their patients and series, in one transaction."""
    rows = [_name_row(number, name) for number, name in enumerate(names())]
    patients = max(1, int(studies / STUDIES_A_PATIENT))
    async with database.transaction() as tx:
        await tx.execute("SET LOCAL statement_timeout = 0")
        await tx.execute("SET LOCAL synchronous_commit = off")
        await _fill(tx, rows, patients, studies)
    async with database.connection() as connection:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("VACUUM ANALYZE patient, patient_identifier, study, series, instance", timeout=3600.0)


async def _fill(tx: Connection, rows: list[tuple[Any, ...]], patients: int, studies: int) -> None:
    await tx.execute(
        "CREATE TEMP TABLE seed_name (number int PRIMARY KEY, alphabetic text, ideographic text, phonetic text,"
        " terms text[], sort text, person jsonb) ON COMMIT DROP"
    )
    await tx.copy_records_to_table("seed_name", records=rows)
    long = {"timeout": 3600.0}
    await tx.execute(PATIENTS, patients, len(rows), **long)
    await tx.execute(IDENTIFIERS, **long)
    await tx.execute(STUDIES, studies, patients, SERIES_A_STUDY, UID_ROOT, **long)
    await tx.execute(SERIES, SERIES_A_STUDY, **long)
    await tx.execute(INSTANCES, STUDIES_WITH_INSTANCES, INSTANCES_A_SERIES, **long)


async def main() -> None:
    """Seed the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("studies", type=int, nargs="?", default=300_000)
    arguments = parser.parse_args()
    database = await Database.open(arguments.url, size=2)
    begun = time.perf_counter()
    await migrate(database)
    await seed(database, arguments.studies)
    await database.close()
    print(f"{arguments.studies} studies in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
