"""Plain GitHub Actions: a repository for the students, which checks what is pushed."""

from ..results import Grade
from .bundle import Bundle

RESULT = None
WORKFLOW = """name: check
on: push
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install "minires=={version}"
      - run: minires {command} | tee -a "$GITHUB_STEP_SUMMARY"
        shell: bash
"""
README = """# {title}: for GitHub Actions

Make the folder `repository` a template repository: each push is checked, and the summary of the run has the feedback.

**What it promises.** Feedback, and no grade. The repository is the student's: whoever can change the workflow, or
read its numbers, can forge a result. So it has public checks alone, with numbers that everybody may know. The
student's code runs in a box all the same, so that one who prints or ends the process changes nothing.
What counts is decided elsewhere: clone the repositories and run `minires assign grade {name} CLONES --out graded`.
"""


def files(bundle: Bundle) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {f"repository/{path}": text for path, text in bundle.handout.items()}
    workflow = bundle.fill(WORKFLOW, command=bundle.command(".", "actions", '--student "${GITHUB_ACTOR:-student}"'))
    return found | {"repository/.github/workflows/check.yml": workflow, "README.md": bundle.fill(README)}


def result(grade: Grade | None) -> str:
    """Markdown."""
    if grade is None:
        return ""
    text = (grade.feedback or grade.problem).replace("`", "'")
    return f"{grade.assignment}: {grade.total:g} of {grade.out_of:g} points by the public checks\n\n```\n{text}\n```"
