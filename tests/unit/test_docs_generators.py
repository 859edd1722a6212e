"""The generated pages: current, and made from what they claim."""

from pathlib import Path

import pytest
from tools.docs import coverage, requirements, settings
from tools.docs.__main__ import main
from tools.docs.catalogue import BadCatalogue, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The hand-written half of the documents, and no tests."""
    (tmp_path / "docs/requirements").mkdir(parents=True)
    for path in ("docs/requirements/catalogue.toml", *map(str, requirements.PAGES.values())):
        (tmp_path / path).write_text((ROOT / path).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_stale_pages_are_named_then_written_then_current(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], tree) == 1
    assert "docs/coverage.md is stale: run make docs" in capsys.readouterr().out
    assert not (tree / "docs/coverage.md").exists()
    assert main([], tree) == 0
    assert main(["--check"], tree) == 0


def test_the_catalogue_is_complete() -> None:
    tiers = [line.tier for line in load(ROOT).requirements.values()]
    assert (tiers.count("C"), tiers.count("E"), tiers.count("B")) == (77, 67, 26)


def test_each_requirement_says_how_it_is_judged_in_both_languages() -> None:
    for page, word in (("docs/requirements.md", "*Judged*: "), ("docs/requirements.zh-CN.md", "*判定*：")):
        blocks = (ROOT / page).read_text(encoding="utf-8").split("\n**R-")[1:]
        assert [block.split(" ", 1)[0] for block in blocks if word not in block] == []


def test_both_languages_have_the_same_qualities() -> None:
    english, chinese = ((ROOT / page).read_text(encoding="utf-8") for page in requirements.PAGES.values())

    def ids(text: str) -> list[str]:
        return [line.split(" ")[1] for line in text.splitlines() if line.startswith("| Q-")]

    assert ids(english) == ids(chinese) != []


def test_a_page_that_misses_a_requirement_is_refused(tree: Path) -> None:
    page = tree / "docs/requirements.md"
    page.write_text(page.read_text(encoding="utf-8").replace("**R-1.0.1 ", "**R-1.9.9 "), encoding="utf-8")
    with pytest.raises(BadCatalogue, match=r"1\.9\.9"):
        requirements.pages(tree)


def test_ids_are_read_from_decorators_parameters_and_modules() -> None:
    source = """
import pytest
pytestmark = [pytest.mark.capability("1.1.1")]

@pytest.mark.capability("1.1.2", "1.1.3")
class TestIt:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.capability("1.1.4"))])
    async def test_it(self, x): ...
"""
    assert sorted(coverage.marked(source)) == ["1.1.1", "1.1.2", "1.1.3", "1.1.4"]


def test_an_id_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(coverage.UnknownCapability, match=r"8\.1\.1"):
        coverage.render(load(ROOT), {"8.1.1": ["unit/test_x.py"]})


def test_an_id_that_is_not_literal_is_refused() -> None:
    with pytest.raises(coverage.UnknownCapability):
        list(coverage.marked("import pytest\npytestmark = pytest.mark.capability(*IDS)"))


def test_states_of_a_requirement() -> None:
    catalogue = load(ROOT)
    first, late = catalogue.requirements["1.1.4"], catalogue.requirements["7.2.4"]
    assert coverage.state(catalogue, first, {"1.1.4": ["unit/test_x.py"]}) == "named"
    assert coverage.state(catalogue, first, {}) == "open"
    assert coverage.state(catalogue, late, {}) == "planned"


def test_defaults_are_shown_as_one_would_write_them() -> None:
    assert settings.readable(131_072, "bytes") == "131072 (128 KiB)"
    assert settings.readable(30.0, "seconds") == "30"
    assert settings.readable(True, "") == "true"
    assert settings.readable("", "") == "empty"
