"""The documents keep to the glossary and to their twins."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHINESE = ["README.zh-CN.md", "docs/requirements.zh-CN.md"]
# The glossary has one word for each thing; these are the other words one meets for it.
OTHER_WORDS = {
    "病人": "患者",
    "放射科医生": "诊断医师",
    "传输句法": "传输语法",
    "传送语法": "传输语法",
    "存储承诺": "存储确认",
    "隔离库": "隔离区",
    "召回": "回调",
    "工作清单": "工作列表",
    "破窗": "紧急授权访问",
    "审计追踪": "审计日志",
    "危急结果": "危急值",
    "应用实体标题": "AE 标题",
}
LINK = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", CHINESE)
def test_chinese_pages_use_the_words_of_the_glossary(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {other: word for other, word in OTHER_WORDS.items() if other in text} == {}


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))

    def commands(text: str) -> list[str]:
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        return [line.split("  #")[0].rstrip() for block in blocks for line in block.splitlines()]

    assert commands(english) == commands(chinese) != []
    assert english.count("\n## ") == chinese.count("\n## ")


@pytest.mark.parametrize(
    "page", sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_decisions_are_numbered_short_and_listed() -> None:
    folder = ROOT / "docs/decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    listed = (folder / "README.md").read_text(encoding="utf-8")
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 40, path.name
        assert all(f"\n**{part}.**" in text for part in ("Context", "Decision", "Consequence")), path.name
        assert path.name in listed
