"""What a student gets: the statement, and the functions with empty bodies."""

import ast
import json
from pathlib import Path

from ..errors import RangeError, StateError
from ..files.whole import make_folder, write_atomically
from .box.limits import CALL, PATIENCE, TOTAL
from .course import Assignment, assignment
from .exercises import Exercise
from .notebook import CHECK, notebook
from .public import FILE, examples
from .secret import Secret
from .twists import for_student

OWN = "# Your definition is another one than that of other students: see README.md."
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
            parts.append(["", "", *_empty(node, lines)] if parts[-1:] != [[""]] else ["", *_empty(node, lines)])
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            parts.append(whole)
        elif _is_docstring(node):
            parts += [whole, [""]]
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


def is_blank(text: str, as_notebook: bool = False) -> bool:
    """Whether nothing has been written into the ``text`` of a file to be filled, be it of an earlier build.

    That has the functions empty, imports, and no word besides that a skeleton would not have; a notebook has one cell
    of text at its top, and the check at its end.

    >>> is_blank(skeleton("def f(x):\\n    return x\\n", ["f"])), is_blank("def f(x):\\n    return x\\n")
    (True, False)
    """
    try:
        if not as_notebook:
            return _is_skeleton(text.removeprefix(OWN))
        first, *functions, check = json.loads(text)["cells"]
        code = ["".join(cell["source"]) for cell in functions if cell["cell_type"] == "code"]
        same = "".join(check["source"]).splitlines()[:-1] == CHECK.splitlines()[:-1]
        return (
            first["cell_type"] == "markdown" and len(code) == len(functions) and same and all(map(_is_skeleton, code))
        )
    except (SyntaxError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_skeleton(text):
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return skeleton(text, names).strip() == text.strip()


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def build(
    name: str,
    out: str | Path,
    language: str = "en",
    *,
    student: str = "",
    secret: Secret | None = None,
    as_notebook: bool = False,
) -> list[Path]:
    """Write the handout of an assignment into the folder ``out``/NAME, or ``out``/STUDENT/NAME; returns the files.

    name: see :func:`~minires.classroom.assignment`   secret: of the course, for twists
    NAME.py, or with ``as_notebook`` NAME.ipynb, which the student fills and hands in; README.md, the statement with how
    it is checked; what the assignment has in its folder "given"; examples.json where the definition is not that of
    minires. No line of the solution goes with them.
    An earlier build, in which nothing has been written, is overwritten.
    Raises RangeError for an unknown name or language, StateError for a notebook without the extra classroom, and where
    somebody has worked in the file to be filled.
    """
    each = assignment(name)
    check_student(student)
    each = for_student(each, secret, student) if student and secret else each
    files = contents(each, language, as_notebook)
    folder = make_folder(Path(out) / student / each.name)
    name, empty = next(iter(files.items()))
    mine = folder / name
    before = mine.read_text(encoding="utf-8", errors="replace") if mine.exists() else empty
    if before != empty and not is_blank(before, as_notebook):
        raise StateError(f"{mine} has been written in, and is kept: move it away, or build into another --out")
    for file, text in files.items():
        write_atomically(folder / file, text.encode())
    return [folder / file for file in files]


def check_student(student: str) -> None:
    """Raise RangeError for what names no folder; "" is nobody."""
    if student and (student != Path(student).name or student.startswith(".")):
        raise RangeError(f"the student is {student!r}, expected the name of a file or folder")


def contents(each: Assignment, language: str = "en", as_notebook: bool = False) -> dict[str, str]:
    """{name of a file: text} of the handout."""
    empty = skeleton(each.solution(), each.functions())
    if each.drawn:
        empty = f"{OWN}\n{empty}"
    file = f"{each.name}.{'ipynb' if as_notebook else 'py'}"
    strange = [one for one in each.exercises if isinstance(one, Exercise) and not one.public]
    files = {FILE: examples(each)} if strange else {}
    where, text = "." if files else each.name, statement(each, language)
    files["README.md"] = text + _how(each, language, where, file)
    given = sorted(path for path in (each.folder / "given").glob("*") if path.is_file())
    files |= {path.name: path.read_text(encoding="utf-8") for path in given}
    return {file: notebook(empty, text, where, language) if as_notebook else empty} | files


def statement(each: Assignment, language: str) -> str:
    """What stands in the folder of the assignment, and what is other for this student."""
    text = each.statement(language)
    if each.drawn:
        text += TWIST[language] + "".join(f"\n* {line}" for line in each.twist(language).splitlines()) + "\n"
    return text


TWIST = {
    "en": """
## Your own definition

In one place your definition is another one than above, and than that of other students:
""",
    "zh": """
## 你自己的定义

你的定义在一处与上文不同，也与其他同学的不同：
""",
}
HOW = {
    "en": """
## How it is checked

    pip install minires
    minires assign check {where} {file}

{tells} Hand in `{file}` with {functions}.
It is graded with other numbers of the same kind, {points} points in all: each output counts if it is right on all of
them. A call may take {seconds:g} s of computing time, all of them together {total:g} s; on the clock at most
{call:g} s and {calls:g} s.
""",
    "zh": """
## 如何检查

    pip install minires
    minires assign check {where} {file} --lang zh

{tells}请提交 `{file}`，其中包含 {functions}。
评分使用同类的其他数值，共 {points} 分：一个输出在所有数值上都正确才得分。
每次调用最多 {seconds:g} 秒计算时间，全部调用合计最多 {total:g} 秒；
实际经过的时间最多分别为 {call:g} 秒和 {calls:g} 秒。
""",
}
MINIRES = {"en": "In the box that grades it, minires can be imported.\n", "zh": "评分的沙箱中可以导入 minires。\n"}


TELLS = {
    "en": (
        "tells what is right, which idea is wrong, and a small input that shows it.",
        "holds your forward against `examples.json`, and your gradients against the derivatives of your forward.",
    ),
    "zh": (
        "会告诉你哪些是对的、哪个想法有误，以及能显示错误的一个小输入。",
        "会用 `examples.json` 检验你的前向，并用你自己前向的导数检验你的梯度。",
    ),
}


def _how(each, language, where, file):
    functions = ", ".join(f"`{function}`" for function in each.functions())
    about = {"where": where, "file": file, "tells": TELLS[language][where == "."], "functions": functions}
    about |= {"seconds": CALL, "total": TOTAL, "call": PATIENCE * CALL, "calls": PATIENCE * TOTAL}
    text = HOW[language].format(**about, points=each.points)
    return text + (MINIRES[language] if each.minires else "")
