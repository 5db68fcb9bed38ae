"""What every platform is told about an assignment."""

import io
import tarfile
import zipfile
from dataclasses import dataclass

from ... import __version__
from ..course import Assignment
from ..own import check


@dataclass(frozen=True)
class Bundle:
    """each: the assignment   name: what the command calls it there: its name, or a folder of the bundle
    folder: {path: text}, the files of an assignment that is not of the course   handout: {path: text}, for students
    course: text of the file of the course, which only a grader may see, or ""   outputs: {"linear dx": points}
    language: of what checks in a notebook say
    """

    each: Assignment
    name: str
    folder: dict[str, str]
    handout: dict[str, str]
    course: str
    outputs: dict[str, float]
    language: str = "en"
    version: str = __version__

    def for_grader(self) -> dict[str, str]:
        """What only a grader may see."""
        return self.folder | ({"course.toml": self.course} if self.course else {})

    def command(self, submission: str, platform: str, *more: str) -> str:
        """The command that grades one submission there, without the program."""
        course = ["--course", "course.toml"] if self.course else []
        return " ".join(["assign", "grade", self.name, submission, "--to", platform, *course, *more])

    def fill(self, text: str, **more: str) -> str:
        """``text`` with name, title, points and version in it."""
        each = self.each
        about = {"name": each.name, "title": each.called("en"), "points": each.points, "version": self.version}
        return text.format(**about, **more)


def outputs(each: Assignment) -> dict[str, float]:
    """{"linear dx": points} of all outputs that are graded: those of the solution, and the files that it lacks."""
    parts = {str(found.exercise): (*found.right, *found.wrong) for found in check(each, each.folder / "solution.py")}
    worth = each.points / len(parts)
    return {f"{part} {output}": worth / len(every) for part, every in parts.items() for output in every}


def zipped(files: dict[str, str], executable: tuple[str, ...] = ()) -> bytes:
    """A zip archive, with the same bytes each time."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o755 if path in executable else 0o644) << 16
            archive.writestr(entry, files[path])
    return data.getvalue()


def tarred(files: dict[str, str]) -> bytes:
    """A tar archive, with the same bytes each time."""
    data = io.BytesIO()
    with tarfile.TarFile(fileobj=data, mode="w") as archive:
        for path in sorted(files):
            entry, content = tarfile.TarInfo(path), files[path].encode()
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()
