"""What a student gets: the statement, and the functions with empty bodies."""

import ast
from pathlib import Path

from ..files.whole import make_folder, write_atomically
from .box.box import CALL, TOTAL
from .course import Assignment, assignment

EMPTY = 'raise NotImplementedError("yours to write")'


def skeleton(source: str, functions: list[str]) -> str:
    """``source`` with the docstring of each of the ``functions`` in the place of its body, imports, and nothing else.

    >>> print(skeleton('import math\\n\\nHALF = 0.5\\n\\ndef f(x):\\n    "Half of x."\\n    return HALF * x\\n', ["f"]))
    import math
    <BLANKLINE>
    <BLANKLINE>
    def f(x):
        "Half of x."
        raise NotImplementedError("yours to write")
    <BLANKLINE>
    """
    lines, parts = source.splitlines(), []
    for node in ast.parse(source).body:
        whole = lines[node.lineno - 1 : node.end_lineno]
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            parts.append(["", "", *_empty(node, lines)])
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            parts.append(whole)
        elif _is_docstring(node):
            parts.append([*whole, ""])
    return "\n".join(line for part in parts for line in part) + "\n"


def _empty(function, lines):
    """The lines of a function up to its body, and one that says so."""
    words = function.body[0] if ast.get_docstring(function) is not None else None
    first = function.body[0]
    if lines[first.lineno - 1][: first.col_offset].strip():  # the body begins on the line of def
        function.body = [*([words] if words else []), *ast.parse(EMPTY).body]
        return ast.unparse(function).splitlines()
    head = lines[function.lineno - 1 : first.lineno - 1]
    while not head[-1].strip() or head[-1].lstrip().startswith("#"):  # what is said before the body may be about it
        head.pop()
    said = lines[words.lineno - 1 : words.end_lineno] if words else []
    return [*head, *said, " " * first.col_offset + EMPTY]


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def build(name: str, out: str | Path, language: str = "en") -> list[Path]:
    """Write the handout of an assignment into the folder ``out``/NAME; returns the files.

    name: see :func:`~minires.classroom.assignment`

    NAME.py, which the student fills and hands in, and README.md, the statement with how it is checked. No line of the
    solution goes with them. Raises RangeError for an unknown name or language, and what files/whole.py raises.
    """
    each = assignment(name)
    folder = make_folder(Path(out) / each.name)
    files = {
        f"{each.name}.py": skeleton(each.solution(), each.functions()),
        "README.md": each.statement(language) + _how(each, language),
    }
    for file, text in files.items():
        write_atomically(folder / file, text.encode())
    return [folder / file for file in files]


HOW = {
    "en": """
## How it is checked

    pip install minires
    minires assign check {name} {name}.py

tells what is right, which idea is wrong, and the smallest input that shows it. Hand in `{name}.py` with {functions}.
It is graded with other numbers of the same kind, {points} points in all: each output counts if it is right on all of
them. A call may take {seconds:g} seconds, all of them together {total:g}.
""",
    "zh": """
## 如何检查

    pip install minires
    minires assign check {name} {name}.py --lang zh

会告诉你哪些是对的、哪个想法有误，以及能显示错误的最小输入。请提交 `{name}.py`，其中包含 {functions}。
评分使用同类的其他数值，共 {points} 分：一个输出在所有数值上都正确才得分。
每次调用最多 {seconds:g} 秒，全部调用合计最多 {total:g} 秒。
""",
}
MINIRES = {"en": "In the box that grades it, minires can be imported.\n", "zh": "评分的沙箱中可以导入 minires。\n"}


def _how(each: Assignment, language: str) -> str:
    functions = ", ".join(f"`{function}`" for function in each.functions())
    return HOW[language].format(name=each.name, functions=functions, points=each.points, seconds=CALL, total=TOTAL) + (
        MINIRES[language] if each.minires else ""
    )
