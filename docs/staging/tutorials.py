"""The tutorials as pages: a percent script becomes a text notebook that myst-nb runs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9][0-9]_*.py"))
HEADER = """---
file_format: mystnb
kernelspec:
  name: python3
language_info:
  name: python
  pygments_lexer: python
---

"""


def page(path):
    """The text notebook of the percent script at ``path``."""
    import jupytext

    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = links_between_pages(cell.source)
    return HEADER + jupytext.writes(notebook, fmt="md:myst")


def links_between_pages(text):
    """Links to other tutorials lead to their pages.

    >>> links_between_pages("[the first](01_a_layer_and_its_gradient.py)")
    '[the first](01_a_layer_and_its_gradient.md)'
    """
    return re.sub(r"\]\((\d\d_\w+)\.py(#[\w-]+)?\)", r"](\1.md\2)", text)


def title(path):
    """``# # 3. Convolution`` -> ``3. Convolution``"""
    return re.search(r"^# # (.*)$", path.read_text(encoding="utf-8"), re.M)[1]


def pages(language):
    """{name of the file: text}"""
    found = {f"tutorials/{path.stem}.md": page(path) for path in TUTORIALS}
    contents = "\n".join(path.stem for path in TUTORIALS)
    found["tutorials/index.md"] = INDEX.format(contents=contents)
    return found


INDEX = """# Tutorials

Step by step, from one linear layer to a residual network whose gradient you can follow term by term. You need Python
and a little calculus. Each tutorial is a script that runs as it is: `minires tutorials --to DIR` copies them all. The
outputs on these pages were printed by the code above them; long computations are cut short here by `MINIRES_FAST=1`.

Each ends with three exercises. To do one, copy the tutorial, write your function above the folded answer, and give it
to the check: a check that says nothing has passed, one that fails says what it saw.

```{{toctree}}
:maxdepth: 1

{contents}
```
"""
