"""Every code of the worklist debugger has its words, in both languages."""

import pytest

from filmroom.cli import worklist_words
from filmroom.workflow.debugger import HINTS, REASONS, Reason


@pytest.mark.capability("1.7.11")
def test_every_code_has_words_in_both_languages() -> None:
    assert set(worklist_words.REASONS) == set(REASONS)
    assert set(worklist_words.HINTS) == set(HINTS)
    for words in (*worklist_words.REASONS.values(), *worklist_words.HINTS.values()):
        assert set(words) == {"en", "zh"}


@pytest.mark.capability("1.7.11")
def test_a_reason_reads_as_a_sentence() -> None:
    why = Reason(code="differs", tag=0x00400001, asked="CT1", held="MR1")
    assert worklist_words.reason("en", why) == "ScheduledStationAETitle: asked CT1, the order has MR1"
    assert worklist_words.reason("zh", why) == "ScheduledStationAETitle: 查询 CT1，检查申请中为 MR1"
