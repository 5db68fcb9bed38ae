"""Submissions, right and wrong, in wrong/EXERCISE/*.py and asked/ASSIGNMENT/*.py.

The first line of each says what a diagnosis must find:

# right                                  all outputs
# expect: Linear.BiasAveraged, ...       exactly these names, and nothing is left to be explained
# general: factor dbias -1               no name; a finding of this kind, on this output, with this detail
"""

from pathlib import Path

FOLDER = Path(__file__).with_name("wrong")
PATHS = sorted(FOLDER.glob("*/*.py"))


def asked():
    """Those of assignments that ask for functions which are no layer."""
    return sorted(Path(__file__).with_name("asked").glob("*/*.py"))


def load(path):
    """The names that a submission defines."""
    found = {}
    exec(compile(path.read_text(), path.name, "exec"), found)
    return found


def expected(path):
    """("right", ()), ("expect", names) or ("general", (kind, output, detail ...))."""
    kind, _, rest = path.read_text().splitlines()[0].removeprefix("# ").partition(": ")
    return kind, tuple(sorted(rest.split(", "))) if kind == "expect" else tuple(rest.split())


def chosen(kind):
    return [path for path in PATHS if expected(path)[0] == kind]


def title(path):
    return f"{path.parent.name}/{path.stem}"
