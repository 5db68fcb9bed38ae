"""The handout as a notebook; needs the extra ``classroom``."""

import ast

from ..errors import StateError

CHECK = """# pip install minires
from minires import classroom

print(*classroom.check({where!r}, globals(), {language!r}), sep="\\n\\n")"""


def notebook(skeleton: str, statement: str, where: str, language: str) -> str:
    """The text of an .ipynb: the statement, a cell for each function of the skeleton, and one that checks them.

    where: what ``check`` takes, the name of the assignment or the folder of the handout   language: of what it says
    """
    try:
        import jupytext
        import nbformat
    except ImportError as error:
        raise StateError(f"a notebook needs {error.name}: pip install 'minires[classroom]'") from None
    cells = ["# %% [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in statement.splitlines())]
    lines, nodes = skeleton.splitlines(), ast.parse(skeleton).body
    groups: list[list] = [[node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]]
    groups += [[node] for node in nodes if isinstance(node, ast.FunctionDef)]
    texts = ["\n".join("\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in group) for group in groups]
    cells += [f"# %%\n{text}" for text in [*texts, CHECK.format(where=where, language=language)] if text]
    made = jupytext.reads("\n\n".join(cells) + "\n", fmt="py:percent")
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"  # the same bytes each time
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.validate(made)
    return nbformat.writes(made)
