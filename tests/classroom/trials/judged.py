"""Submissions to the trials, right and wrong, in ../judged/TRIAL/*.py. The first two lines say what must be found:

# right                              all criteria
# expect: Checker.OnesAsDy, ...      exactly these names
# general: counts                    no name; remarks alone
# wrong: ones kinks                  the criteria that are lost
"""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "judged"


def submissions(trial):
    return sorted((FOLDER / trial).glob("*.py"))


def title(path):
    return path.stem


def load(path):
    """The names that a submission defines."""
    found = {}
    exec(compile(path.read_text(), path.name, "exec"), found)
    return found


def expected(path):
    """(kind, names, criteria that are lost)"""
    first, second, *_ = path.read_text().splitlines()
    kind, _, rest = first.removeprefix("# ").partition(": ")
    lost = set() if kind == "right" else set(second.removeprefix("# wrong: ").split())
    return kind, set(rest.split(", ")) if kind == "expect" else set(), lost
