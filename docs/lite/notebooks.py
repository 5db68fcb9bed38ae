"""The tutorials and assignments as notebooks for the browser."""

from pathlib import Path

from staging.tutorials import TUTORIALS

HERE = Path(__file__).parent
PAGES = HERE / "step_through.py", HERE / "laboratory.py"
KERNEL = {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}}
BEGIN = """# Run this first: it brings minires into the browser, where there is no BLAS: MINIRES_FAST keeps it short.
import os

import piplite

os.environ["MINIRES_FAST"] = "1"
await piplite.install(["numpy", "matplotlib", "anywidget"])
await piplite.install("minires", deps=False)"""
CHECK = """from minires import classroom

print(*classroom.check({name!r}, globals(), {language!r}), sep="\\n\\n")"""
TRAIN = """# Once the functions are right: put your name in the place of NAME, and check again below.
import sys

sys.modules[{name!r}] = sys.modules["__main__"]  # the script imports the functions that stand above
%run {script} NAME"""
TASK = {
    "en": "Write the functions, run the cell, then the one below it, as often as you like.",
    "zh": "写好这些函数，运行该单元格，再运行下面的检查，可以反复多次。",
}


def write_notebooks(folder):
    """NN_name.ipynb for each tutorial, one for each of PAGES, assignments/NN_name.ipynb and .zh.ipynb for each task."""
    import nbformat

    folder = Path(folder)
    for name, notebook in (*tutorials(), *assignments()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)


def tutorials():
    """Yield (name, notebook); the first cell brings minires, links lead to the other notebooks."""
    import jupytext
    from nbformat.v4 import new_code_cell

    for path in (*TUTORIALS, *PAGES):
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                for other in TUTORIALS:
                    cell.source = cell.source.replace(f"]({other.name}", f"]({other.stem}.ipynb")
        notebook.cells.insert(0, new_code_cell(BEGIN))
        notebook.metadata = KERNEL
        yield f"{path.stem}.ipynb", notebook


def assignments():
    """Yield (name, notebook) in both languages: the statement, the functions to fill, and the check of a student."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    from minires.classroom import assignments
    from minires.classroom.handout import skeleton

    for each in assignments().values():
        for language, ending in (("en", ""), ("zh", ".zh")):
            check = CHECK.format(name=each.name, language=language)
            cells = [
                new_code_cell(BEGIN),
                new_markdown_cell(f"{each.statement(language)}\n\n{TASK[language]}"),
                new_code_cell(skeleton(each.solution(), each.functions()).strip()),
            ]
            for script in sorted((each.folder / "given").glob("*.py")):
                cells.append(new_code_cell(f"%%writefile {script.name}\n{script.read_text(encoding='utf-8').strip()}"))
                cells.append(new_code_cell(TRAIN.format(name=each.name, script=script.name)))
            cells.append(new_code_cell(check))
            yield f"assignments/{each.folder.name}{ending}.ipynb", new_notebook(cells=cells, metadata=KERNEL)
