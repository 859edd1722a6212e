"""What a further object says of its study is taken over as far as the policy goes, and never over a correction."""

from datetime import UTC, datetime

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.taking_in import Rig

from filmroom.archive.corrections import Corrections
from filmroom.archive.corrections_model import Target
from filmroom.archive.rules_update import Update
from filmroom.archive.rules_update_store import take_over
from filmroom.security.principals import SYSTEM

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.capability("1.1.9")
async def test_a_study_takes_over_what_the_policy_allows(rig: Rig, corrections: Corrections) -> None:
    study = Study(fresh_run(), 1)
    await rig.store_all(list(objects("tiny", study, 1)))
    await corrections.correct(SYSTEM, Target.STUDY, study.uid, {"StudyID": "right"}, why="test")
    coming = {
        "00200010": {"vr": "SH", "Value": ["wrong"]},
        "00080050": {"vr": "SH", "Value": ["ACC2"]},
        "00102180": {"vr": "SH", "Value": ["nurse"]},
    }

    async def now() -> tuple[str, str, object]:
        ((number, accession, attributes),) = await rig.rows("SELECT study_id, accession, attributes FROM study")
        return number, accession, attributes.get("00102180")

    async with rig.database.transaction() as tx:
        assert not await take_over(tx, Target.STUDY, study.uid, coming, Update.PRESERVE, NOW)
        assert await take_over(tx, Target.STUDY, study.uid, coming, Update.SUPPLEMENT, NOW)
    assert await now() == ("right", study.accession, coming["00102180"])
    async with rig.database.transaction() as tx:
        assert await take_over(tx, Target.STUDY, study.uid, coming, Update.MERGE, NOW)
        assert not await take_over(tx, Target.STUDY, study.uid, coming, Update.MERGE, NOW)
    assert await now() == ("right", "ACC2", coming["00102180"])
