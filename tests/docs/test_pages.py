"""The pages that are made: nothing is missing, and what they say comes from where it was measured."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from stage import sources, stage
from staging import assignments, drawings, gallery, measurements

from minires.classroom import assignments as course
from minires.experiments import EXPERIMENTS

ROOT = Path(__file__).parents[2]


def test_the_gallery_has_each_claim_with_its_verdict():
    page = gallery.pages("en")["gallery.md"]
    report = (gallery.RESULTS / "report.html").read_text(encoding="utf-8")
    found = gallery.verdicts()
    assert found.keys() == EXPERIMENTS.keys()
    for name, verdict in found.items():
        mark = f'<span class="verdict {gallery.KIND[verdict.word]}"></span>'
        assert f'* {mark} {EXPERIMENTS[name].claim.sentence} <a href="report.html#{name}">' in page
        assert f'id="{name}"' in report
    style = (ROOT / "docs" / "_static" / "minires.css").read_text(encoding="utf-8")
    assert all(style.count(f".verdict.{kind}::before") == 2 for kind in gallery.KIND.values())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_assignment_has_its_statement_points_and_hours(language):
    pages = assignments.pages(language)
    for name, each in course().items():
        page = pages[f"assignments/{each.folder.name}.md"]
        body = each.statement(language).strip().partition("\n")[2]
        assert body in page and f"minires assign check {name}" in page
        assert f"| {each.points} | {each.hours} |" in pages["assignments/index.md"]


def test_measurements_link_to_pages_and_pictures_that_are_there():
    pages = measurements.pages("en")
    for name, page in pages.items():
        if name.endswith(".md"):
            for target in re.findall(r"\]\(/([^)]+)\)", page):
                assert target in pages, f"{name} links to {target}"
            assert not re.search(r"\]\((?!/|https?:)", page), name
        else:
            assert page.startswith(b"\x89PNG")


def test_drawings_are_whole_and_used():
    engine = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    for name, drawing in drawings.pages("en").items():
        ElementTree.fromstring(drawing)
        assert name in engine


def test_drawings_speak_chinese_on_the_chinese_page():
    for name, drawing in drawings.pages("zh").items():
        ElementTree.fromstring(drawing)
        for words in re.findall(r">([^<>]+)</text>", drawing):
            assert re.search("[\u4e00-\u9fff]", words) or re.fullmatch(r"ReLU|→|\d+\.\d+", words), f"{name}: {words}"


def test_staging_writes_what_differs_and_removes_what_is_gone(tmp_path):
    pytest.importorskip("jupytext", reason="the site needs pip install -e .[docs]")
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "gone.md").write_text("gone")
    stage("zh", tmp_path)
    written = {str(path.relative_to(tmp_path)): path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert written.keys() == sources("zh").keys()
    stage("zh", tmp_path)
    assert written == {str(path.relative_to(tmp_path)): path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
