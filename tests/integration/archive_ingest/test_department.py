"""A study is of the site and department of its sender: what scopes of rights and views of AE titles ask."""

from pathlib import Path

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from tests.fixtures.taking_in import Rig, feed_in, taking_in

from filmroom.archive.devices import Devices
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.retrieve import Retrieve
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM, device
from filmroom.security.view import View

pytestmark = pytest.mark.capability("1.0.2")


async def send(rig: Rig, each: Object, source: str) -> None:
    incoming = rig.ingest.begin(
        SYSTEM,
        door="dimse",
        source=source,
        transfer_syntax=each.transfer_syntax,
        sop_class=each.sop_class,
        sop_uid=each.sop_uid,
        part10=False,
    )
    assert (await feed_in(incoming, each.dataset, 65_536)).safe


async def test_the_senders_department_is_the_studys_and_decides_who_sees_it(database: Database, tmp_path: Path) -> None:
    devices = Devices(database)
    for title, department in (("CT1", "Radiology"), ("XA1", "Cardiology")):
        await devices.put(AeTitle(title), "127.0.0.1", 104)
        await devices.patch(AeTitle(title), {"site": "North", "department": department}, who=SYSTEM)
    run = fresh_run()
    sent = {
        title: next(objects("tiny", Study(run, number), 1)) for number, title in enumerate(("CT1", "XA1", "LOST"), 1)
    }
    pixels = PixelPool(1)
    async with taking_in(database, tmp_path / "store") as rig:
        for title, each in sent.items():
            await send(rig, each, title)
        rows = await rig.rows(
            "SELECT s.study_uid, t.name, d.name FROM study s LEFT JOIN site t ON t.pk = s.site_pk "
            "LEFT JOIN department d ON d.pk = s.department_pk ORDER BY s.pk"
        )
        assert rows == [
            (sent["CT1"].study_uid, "North", "Radiology"),
            (sent["XA1"].study_uid, "North", "Cardiology"),
            (sent["LOST"].study_uid, None, None),
        ]
        # What comes later into the study, from wherever, leaves it where it is.
        again = next(objects("tiny", Study(run, 1), 1, first=2))
        await send(rig, again, "XA1")
        assert (await rig.rows("SELECT department_pk FROM study ORDER BY pk"))[0] != (None,)
        retrieve = Retrieve(database, rig.blobs, pixels)
        who = device(AeTitle("READER"), View(departments=frozenset({"Radiology"})))
        seen = await retrieve.locate(who, studies=[each.study_uid for each in sent.values()])
        assert {item.study_uid for item in seen} == {sent["CT1"].study_uid}
    await pixels.close()
