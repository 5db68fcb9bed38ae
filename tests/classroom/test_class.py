"""A class of 300, right, wrong and hostile: the report finds every misconception as often as it was planted."""

import csv
import io
import random
from collections import Counter
from html.parser import HTMLParser

import pytest
from classroom.box.boxes import reason
from classroom.simulated import NAMES, can_join, draw, hand_in

from minires.classroom import Exercise, assignments, frequencies, grade, to_csv, to_html
from minires.classroom.box import BUBBLEWRAP, LANDLOCK

STUDENTS = 300
JOINING = [name for name, each in assignments().items() if can_join(each)]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.met = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.met.append(tag)


def test_most_assignments_take_part():
    assert {"linear", "losses", "convolution", "batchnorm", "residual"} <= set(JOINING)


@pytest.mark.slow
@pytest.mark.parametrize("name", JOINING)
def test_a_report_finds_what_was_planted(name, tmp_path):
    tier = next((tier for tier in (BUBBLEWRAP, LANDLOCK) if reason(tier) is None), None)
    if tier is None:
        pytest.skip(reason(BUBBLEWRAP))
    each, count = assignments()[name], -(-STUDENTS // len(JOINING))
    drawn = draw(each, count, random.Random(name))
    grades = grade(name, hand_in(drawn, tmp_path / "in"), tmp_path / "out", tier=tier, secret="s")
    found = {one.student: one for one in grades}
    assert found.keys() == drawn.keys()
    if not all(isinstance(exercise, Exercise) for exercise in each.exercises):  # there an attack may show one, too
        grades = [one for one in grades if drawn[one.student][2] != "hostile"]
    named = {one.student: (one.names, sorted(drawn[one.student][1])) for one in grades}
    assert not {student: both for student, both in named.items() if both[0] != both[1]}
    planted = Counter(misconception for one in grades for misconception in drawn[one.student][1])
    assert dict(frequencies(grades)) == planted and len(planted) > 3
    full = each.points * len(each.functions()) / (len(each.functions()) + len(each.files))  # nobody brings the files
    for student, (_, _, kind) in drawn.items():
        total = found[student].total
        assert total == pytest.approx(full, abs=1e-5) if kind == "right" else total < full - 0.01, student
        assert kind != "hostile" or total == 0, student

    for text in (to_csv(grades), to_csv(grades, "zh"), (tmp_path / "out/scores.csv").read_text(encoding="utf-8")):
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1
        assert not [field for row in rows for field in row if field.startswith(FORMULA)]
    for language in ("en", "zh"):
        open_page, closed = to_html(grades, language, names=True), to_html(grades, language)
        assert Tags(open_page).met.count("tr") == len(grades) and "b" not in Tags(open_page).met
        assert Tags(closed).met.count("tr") == 0 and not [one for one in NAMES if len(one) > 2 and one in closed]
        assert Tags(open_page).met.count("script") == Tags(to_html(grades[:1], language)).met.count("script")  # its own
