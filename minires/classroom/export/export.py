"""What is written for a platform."""

from pathlib import Path

from ...errors import RangeError
from ...files.whole import make_folder, write_atomically
from ..course import Assignment, assignment
from ..handout import contents
from ..public import FILE
from ..secret import secret_in
from . import nbgrader, otter
from .bundle import Bundle, outputs
from .one import PLATFORMS

NOTEBOOKS = {"nbgrader": nbgrader, "otter": otter}
OPEN = ("actions", "classroom50", *NOTEBOOKS)  # whose files students can read
NAMELESS = ("autolab", "prairielearn")  # whose grader is not told who the student is


def export(name: str, platform: str, out: str | Path, course: str | Path, language: str = "en") -> list[Path]:
    """Write the assignment for a platform into the folder ``out``/NAME-PLATFORM; returns the files.

    platform: see the README.md of each for what it can promise   course: file of the course, made where there is none;
    it goes with the exports that only graders read. Raises RangeError where the platform cannot do what is asked.
    """
    each = assignment(name)
    if platform not in PLATFORMS | NOTEBOOKS:
        raise RangeError(f"there is no platform {platform!r}: choose one of {', '.join(PLATFORMS | NOTEBOOKS)}")
    if each.files and platform in (*NAMELESS, *NOTEBOOKS):
        raise RangeError(
            f"{' and '.join(each.files)} of {each.name} are made for the name of a student, which {platform} does not "
            "pass on: grade it with minires assign grade"
        )
    if platform in OPEN:
        text = ""
    else:
        secret = secret_in(course)
        text = Path(course).read_text(encoding="utf-8")
        if platform in NAMELESS and each.name in secret.twisted:
            raise RangeError(
                f"{platform} does not tell the grader who the student is, and {each.name} is twisted in {course}: take "
                "it out there, or grade with minires assign grade"
            )
    files = (PLATFORMS | NOTEBOOKS)[platform].files(_bundle(each, platform, text, language))
    folder = make_folder(Path(out) / f"{each.name}-{platform}")
    for path, content in files.items():
        make_folder((folder / path).parent)
        write_atomically(folder / path, content.encode() if isinstance(content, str) else content)
    return [folder / path for path in files]


def _bundle(each: Assignment, platform: str, course: str, language: str) -> Bundle:
    handout = contents(each, language, as_notebook=platform in NOTEBOOKS)
    folder, where = {}, each.name
    if FILE in handout and platform in OPEN:
        where = "."
    elif each.number == 0 and platform in OPEN:
        raise RangeError(
            f"{each.name} cannot be checked without its solution, which everybody would read on {platform}"
        )
    elif each.number == 0:  # not of the course
        paths = [path for path in sorted(each.folder.iterdir()) if path.suffix in (".toml", ".py", ".md")]
        folder, where = {f"{each.name}/{p.name}": p.read_text(encoding="utf-8") for p in paths}, f"./{each.name}"
    return Bundle(each, where, folder, handout, course, outputs(each), language)
