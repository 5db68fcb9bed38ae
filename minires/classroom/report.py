"""The report on a class: which misconception how often, and what is still wrong."""

import csv
import io
from collections import Counter

from ..files import self_contained
from .escape import for_page, for_table, for_terminal, plain, sentence_for_page
from .feedback import said
from .general import Finding
from .results import Grade
from .words import finding, stopped

COLUMNS = "misconception", "students", "sentence"


def frequencies(grades: list[Grade]) -> list[tuple[str, int]]:
    """``[(name of a misconception, number of students), ...]``, the most frequent first."""
    found = Counter(name for each in grades for name in each.names)
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


def unnamed(grades: list[Grade], language: str = "en") -> list[tuple[tuple[str, str], int]]:
    """``[((exercise, sentence), number of students), ...]`` of what is wrong and has no name, the most frequent first.

    Of an error of a student's code it says the kind alone: its text is the student's.
    """
    found = Counter(row for each in grades for row in {_unnamed(language, *row) for row in each.findings})
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


def _unnamed(language, exercise, kind, output, detail):
    if kind in ("raised", "raises") and not stopped(detail, "en"):
        kind, detail = "raised", detail.partition(":")[0].partition(" (line")[0]
    return exercise, finding(Finding(kind, output, detail), language)


def criteria(grades: list[Grade]) -> list[tuple[str, int]]:
    """``[(output, number of students who have it right), ...]`` in the order of the outputs."""
    outputs = dict.fromkeys(output for each in grades for output in each.points)
    return [(output, sum(each.points.get(output, 0) > 0 for each in grades)) for output in outputs]


def to_csv(grades: list[Grade], language: str = "en") -> str:
    """A row for each misconception, and for what has no name; no field is a formula."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([for_table(name), n, for_table(plain(said(name, language)))] for name, n in frequencies(grades))
    rows.writerows(["", n, for_table(f"{where}: {text}")] for (where, text), n in unnamed(grades, language))
    return text.getvalue()


WORDS = {
    "en": {
        "title": "{name}: {n} students, {mean:.3g} of {out_of:g} points on average",
        "ideas": "Which idea is wrong, and how often",
        "none": "No submission shows a misconception that has a name.",
        "unnamed": "What else is wrong, without a name",
        "outputs": "Which outputs are right",
        "points": "Points",
        "students": "students",
        "failed": "Could not be run: {n}",
    },
    "zh": {
        "title": "{name}：{n} 名学生，平均 {mean:.3g} 分（满分 {out_of:g}）",
        "ideas": "哪个想法有误，出现了多少次",
        "none": "没有提交显示出有名字的误解。",
        "unnamed": "其他没有名字的错误",
        "outputs": "哪些输出是对的",
        "points": "分数",
        "students": "名学生",
        "failed": "无法运行：{n}",
    },
}
STYLE = """
:root { color-scheme: light dark; --bar: #4c8fd0; --good: #4aa564; --line: #8885 }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
.row { display: grid; grid-template-columns: 1fr 3rem; gap: .15rem .8rem; align-items: center; margin: 1rem 0 }
.row p { grid-column: 1 / -1; margin: 0 }
.row small { opacity: .7; overflow-wrap: anywhere }
.row progress { appearance: none; width: 100%; height: .7rem; border: 0; background: #8883 }
.row progress::-webkit-progress-bar { background: transparent }
.row progress::-webkit-progress-value { background: var(--bar) }
.row progress::-moz-progress-bar { background: var(--bar) }
.row.good { --bar: var(--good) }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line) }
table { border-collapse: collapse } td { border-bottom: 1px solid var(--line); padding: .15rem .8rem .15rem 0 }
td + td { text-align: right }
"""


def to_html(grades: list[Grade], language: str = "en", names: bool = False) -> str:
    """One page, without network; the names of students stand in it only with ``names``."""
    words, n = WORDS[language], len(grades)
    title = words["title"].format(
        name=grades[0].assignment, n=n, mean=sum(each.total for each in grades) / n, out_of=grades[0].out_of
    )
    ideas = [_row(name, count, n, said(name, language)) for name, count in frequencies(grades)]
    parts = [f"<h1>{for_page(title)}</h1>", f"<h2>{words['ideas']}</h2>", *(ideas or [f"<p>{words['none']}</p>"])]
    if others := unnamed(grades, language):
        parts += [f"<h2>{words['unnamed']}</h2>", *(_row(where, count, n, text) for (where, text), count in others)]
    parts += [f"<h2>{words['outputs']}</h2>", *(_row(o, count, n, kind="row good") for o, count in criteria(grades))]
    if failed := sum(bool(each.problem) for each in grades):
        parts.append(f"<p>{words['failed'].format(n=failed)}</p>")
    if names:
        cells = "".join(
            f"<tr><td>{for_page(each.student)}</td><td>{round(each.total, 2):g}</td></tr>" for each in grades
        )
        parts += [f"<h2>{words['points']}</h2>", f"<table>{cells}</table>"]
    return self_contained(for_terminal(title), STYLE, "\n".join(parts), language=language)


def _row(name, count, of, text="", kind="row"):
    words = f"{sentence_for_page(text)} <small>{for_page(name)}</small>" if text else for_page(name)
    bar = f'<progress max="{of}" value="{count}"></progress>'
    return f'<div class="{kind}"><p>{words}</p>{bar}<span>{count}</span></div>'
