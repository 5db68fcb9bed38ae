"""minires assign."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from .. import classroom
from ..classroom.box import TRUST, BoxError, strongest
from ..classroom.export.one import check_graded
from ..classroom.escape import plain
from ..classroom.handout import check_student
from ..classroom.results import RESULTS, as_results
from ..classroom.grade import graded_before, handed_in
from ..engine import cores
from ..errors import RangeError
from ..files.whole import check_folder, check_writable, make_folder, write_atomically
from .common import FAILED, Json, Language, Number, Switch, print_json, spoken
from .signals import ending_in_order
from .terminal import MOST, width

Words = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NAME ...]")]
Folder = Annotated[str | None, tyro.conf.arg(metavar="DIR")]
File = Annotated[str | None, tyro.conf.arg(metavar="FILE")]
Students = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="STUDENT")]
Platform = Annotated[
    Literal["gradescope", "actions", "classroom50", "autolab", "prairielearn", "nbgrader", "otter"] | None,
    tyro.conf.arg(metavar="PLATFORM"),
]
NO_BOX = 3
TAKES = {
    "list": "[NAME]",
    "new": "NAME",
    "build": "NAME",
    "export": "NAME",
    "check": "NAME FILE",
    "grade": "NAME FOLDER",
    "report": "FOLDER",
}

COSTS = {"en": "{:>3} points, {} h", "zh": "{:>3} 分，{} 小时"}
KEPT = {"en": "kept as graded before: {}, graded now: {}", "zh": "沿用之前的评分：{}，本次评分：{}"}


def assign(
    what: Annotated[Literal["list", "new", "build", "export", "check", "grade", "report"], tyro.conf.Positional],
    words: Words = (),
    *,
    out: Folder = None,
    lang: Language = None,
    to: Platform = None,
    student: Students = (),
    course: File = None,
    notebook: Switch = False,
    jobs: Number = None,
    names: Switch = False,
    similarity: Annotated[str | None, tyro.conf.arg(metavar="FOLDER")] = None,
    trust_submissions: Switch = False,
    as_json: Json = False,
) -> int | None:
    """Assignments: hand them out, check one's own functions, grade those of a class, and see what is not understood.

    "new NAME" begins an assignment of your own, a folder; its path then stands for NAME. "build NAME" makes the
    handout; "check NAME FILE" is for the student; "grade NAME FOLDER" runs each submission in a
    box from which nothing leads out, and writes scores.csv, feedback and results: graded again is what has changed, and
    a result that was made stays, with its row, when the submission is gone (remove results/STUDENT.json to drop it);
    "report DIR" makes report.html and report.csv of what was graded into DIR.

    Exit code 1 if something is wrong with the functions that are checked, 3 if no box holds on this machine.

    For example: minires assign build batchnorm --out handouts

    Args:
        what: List the assignments, begin one of your own, build one, check one's own, grade a class, or report on it.
        words: Name of the assignment, or its folder, and the file or folder of what was written.
        out: Folder for what is written; the present one, or DIR for report, if not given.
        to: Platform that is exported to; in its own grader FOLDER is what one student has handed in.
        student: Build what this student gets, into DIR/STUDENT; may be given several times.
        course: File of the course: its secret, and which assignments are other for each student. It is made where there
            is none; DIR/course.toml for grade.
        notebook: Build a notebook in place of the file with functions; needs minires[classroom].
        lang: Language of statements, feedback and report; MINIRES_LANG, or en, if not given.
        jobs: Submissions at once; one for each core by default.
        names: Put the names of the students into the report.
        similarity: With "report": compare the submissions in this folder, by compare50 where it is installed.
        trust_submissions: Grade without a box: for your own code alone.
    """
    lang, wanted = spoken(lang), TAKES[what].split()
    if len(words) != len(wanted) and (what, len(words)) != ("list", 0):
        raise RangeError(
            f"{what} takes {TAKES[what] or 'no words'}, got {' '.join(words) or 'none'}: "
            f"minires assign {what} {TAKES[what]}".rstrip()
        )
    if what == "export" and to is None or what not in ("export", "grade") and to is not None:
        raise RangeError(f"{what} {'needs' if to is None else 'takes no'} --to: it is for export, and for grade")
    if what == "report":
        return _report(words[0], words[0] if out is None else out, lang, names, similarity, as_json)
    out = "." if out is None else out
    if what == "list":
        return _list(words, lang, as_json)
    if what == "grade" and to is not None:
        return _grade_for(to, words[0], words[1], out, lang, student, course, trust_submissions)
    if what in ("new", "build", "export"):
        check_folder(out)
        made = _made(what, words[0], out, lang, student, course, notebook, to)
        files = list(map(str, made))
        return print_json(files=files) if as_json else print("\n".join(files))
    if what == "check":
        return _check(words[0], words[1], lang, as_json)
    return _grade(words[0], words[1], out, lang, course or Path(out) / "course.toml", jobs, trust_submissions, as_json)


def _list(folders, lang, as_json):
    found = {folder: classroom.assignment(folder) for folder in folders} or classroom.assignments()
    if as_json:
        return print_json(
            assignments={
                name: {
                    "title": each.called(lang),
                    "points": each.points,
                    "hours": each.hours,
                    "functions": each.functions(),
                }
                for name, each in found.items()
            }
        )
    for name, each in found.items():
        print(f"{each.number:>2} {name:<12} {COSTS[lang].format(each.points, each.hours)}   {each.called(lang)}")
    print("for example: minires assign build batchnorm --out handouts")


def _made(what, name, out, lang, students, course, notebook, platform):
    if what == "new":
        return classroom.new(name, out)
    if what == "export":
        return classroom.export(name, platform, out, course or Path(out) / "course.toml", lang)
    for each in students:
        check_student(each)
    classroom.assignment(name)
    secret = classroom.secret_in(course) if course else None
    how = {"secret": secret, "as_notebook": notebook}
    return [path for each in students or [""] for path in classroom.build(name, out, lang, student=each, **how)]


def _grade_for(platform, name, submission, out, lang, students, course, trust):
    check_graded(platform, name)
    check_folder(out)
    try:
        tier = TRUST if trust else strongest()
        how = {"tier": tier, "secret": classroom.secret_in(course) if course else None, "language": lang}
        grade, text = classroom.grade_for(platform, name, submission, out, student=(*students, "student")[0], **how)
    except BoxError as error:
        print(f"minires: {error}", file=sys.stderr)
        return NO_BOX
    if platform in ("actions", "autolab"):
        print(text)
    return FAILED if platform == "actions" and grade.total < grade.out_of else None


def _check(name, path, lang, as_json):
    found = classroom.check(name, path, lang)
    if as_json:
        print_json(
            exercises=[
                {"exercise": str(f.exercise), "right": f.right, "wrong": f.wrong, "names": f.names} for f in found
            ]
        )
    else:
        columns = width(MOST) if sys.stdout.isatty() else 0
        print("\n\n".join(f"{f.exercise}\n{f.to_text(columns)}" for f in found))
    return FAILED if any(f.wrong for f in found) else None


def _grade(name, folder, out, lang, course, jobs, trust, as_json):
    if jobs is not None and jobs < 1:
        raise RangeError(f"jobs is {jobs}, expected at least 1")
    handed_in(name, folder)
    check_folder(out)
    before = graded_before(name, out)
    try:
        with ending_in_order(), tqdm(disable=None, leave=False, unit="submission") as bar:
            tier = TRUST if trust else strongest()

            def show(done, total, student):
                bar.total = total
                bar.update()
                if bar.disable:
                    print(f"{done}/{total} {student}", file=sys.stderr, flush=True)

            how = {"tier": tier, "secret": classroom.secret_in(course), "jobs": jobs or cores(), "language": lang}
            grades = classroom.grade(name, folder, out, **how, progress=show)
    except BoxError as error:
        print(f"minires: {error}", file=sys.stderr)
        return NO_BOX
    except (KeyboardInterrupt, SystemExit):
        if any((Path(out) / RESULTS).glob("*.json")):
            print(f"what is graded stays in {out}: the same command goes on", file=sys.stderr)
        raise
    if as_json:
        return print_json(grades=[as_results(each) for each in grades])
    for each in grades:
        words = f"{round(each.total, 2):>6g} of {each.out_of:g}   {each.student}   {' '.join(each.names)}{each.problem}"
        print(classroom.for_terminal(words.rstrip()))
    if kept := sum(before.get(each.student) == each for each in grades):
        print(KEPT[lang].format(kept, len(grades) - kept))
    print(f"scores: {Path(out) / 'scores.csv'}, box: {tier.name}; the class: minires assign report {out}")


def _report(folder, out, lang, names, submissions, as_json):
    grades = classroom.graded(folder)
    if not grades:
        raise RangeError(f"{folder} has no results, expected some: minires assign grade NAME FOLDER --out {folder}")
    paths = [make_folder(out) / name for name in ("report.html", "report.csv")]
    for path in paths:
        check_writable(str(path))
    if submissions is not None and (pages := _similarity(grades[0].assignment, submissions, out)):
        paths.append(pages)
    for path, text in zip(paths, (classroom.to_html(grades, lang, names), classroom.to_csv(grades, lang))):
        write_atomically(path, text.encode())
    if as_json:
        return print_json(files=list(map(str, paths)), misconceptions=dict(classroom.frequencies(grades)))
    for name, count in classroom.frequencies(grades):
        print(f"{count:>4} of {len(grades)}   {name}")
    for (exercise, sentence), count in classroom.unnamed(grades, lang):
        print(f"{count:>4} of {len(grades)}   {classroom.for_terminal(plain(f'{exercise}: {sentence}'))}")
    print(f"report: {' and '.join(map(str, paths))}")


def _similarity(name, submissions, folder):
    pages = classroom.similarity(classroom.assignment(name), submissions, folder)
    if pages is None:
        print("how alike they are is told by compare50, which is not installed: pip install compare50", file=sys.stderr)
    return pages
