"""What students hand in: a file, a folder, a zip archive or a notebook, read in memory."""

import ast
import hashlib
import io
import json
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataFileError

LARGEST = 1 << 20  # bytes of a file
DEFINES = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
KINDS = (".py", ".ipynb", ".zip")


@dataclass(frozen=True)
class Submission:
    """student: name of the file or folder   source: the text of its functions, "" where ``problem`` says why not

    files: of those that are handed in beside it, {name: bytes, or text that says why it is not taken}
    """

    student: str
    source: str
    problem: str = ""
    files: dict = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the source and the files."""
        found = hashlib.sha256(self.source.encode("utf-8", "replace"))
        for name, data in sorted(self.files.items()):
            data = data.encode() if isinstance(data, str) else data
            found.update(f"\0{name} {len(data)}\0".encode() + data)
        return found.hexdigest()


class Unreadable(Exception):
    """Why a submission cannot be taken."""


def run(path: Path, source: str) -> dict[str, Any]:
    """What the text of one's own file defines, run in this process; DataFileError where it cannot be, with the line."""
    namespace: dict = {"__name__": "submission"}
    try:
        exec(compile(source, str(path), "exec"), namespace)
    except SyntaxError as error:
        raise DataFileError(f"{path}, line {error.lineno}: {error.msg}: mend it first") from error
    except Exception as error:
        raise DataFileError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return namespace


def collect(folder: str | Path, name: str, functions: list[str], files: tuple = ()) -> list[Submission]:
    """The submissions in ``folder``, one for each file or folder in it, in the order of their names.

    name: of the assignment: a folder or archive has NAME.py or NAME.ipynb, or one such file of any name
    functions: names of those that are looked for in notebooks   files: of those beside, in a folder or archive
    """
    found = []
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith((".", "_")) or not (path.is_dir() or path.suffix in KINDS):
            continue
        student = path.stem if path.suffix in KINDS else path.name
        try:
            found.append(Submission(student, source_of(path, name, functions), "", files_of(path, files)))
        except Unreadable as error:
            found.append(Submission(student, "", str(error)))
    return found


def source_of(path: Path, name: str, functions: list[str]) -> str:
    """The text of the submission at ``path``; what :func:`collect` takes. Raises Unreadable."""
    if stat.S_ISDIR(path.lstat().st_mode):
        path = _chosen({each.name: each for each in path.iterdir()}, name)
    data = _read(path)
    if path.suffix != ".zip":
        return _text(path.name, data, functions)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            entry = _chosen(entries, name)
            if entry.file_size > LARGEST:
                raise Unreadable(f"{entry.filename} has {entry.file_size} bytes, expected at most {LARGEST}")
            with archive.open(entry) as file:
                return _text(entry.filename, file.read(LARGEST), functions)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise Unreadable(f"the archive cannot be read: {error}") from None


def files_of(path: Path, names: tuple) -> dict[str, bytes | str]:
    """{name: bytes, or text that says why it is not taken} of the files called so in a folder or zip archive."""
    found: dict[str, bytes | str] = {}
    for name in names:
        try:
            if path.suffix == ".zip":
                data = _from_archive(_read(path), name)
            else:
                data = _read(path / name) if stat.S_ISDIR(path.lstat().st_mode) else None
        except FileNotFoundError:
            data = None
        except (Unreadable, OSError) as error:
            data = str(getattr(error, "strerror", None) or error)
        if data is not None:
            found[name] = data
    return found


def _from_archive(data, name):
    """The bytes of the only entry of that name, or None."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [info for info in archive.infolist() if info.filename.rpartition("/")[2] == name]
            if len(entries) != 1 or "__MACOSX" in entries[0].filename:
                return None
            if entries[0].file_size > LARGEST:
                raise Unreadable(f"{name} has {entries[0].file_size} bytes, expected at most {LARGEST}")
            with archive.open(entries[0]) as file:
                return file.read(LARGEST)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise Unreadable(f"{name} cannot be read: {error}") from None


def _chosen(files, name):
    """Of ``{path: file}`` that called NAME.py or NAME.ipynb, else the only Python file or notebook."""
    usable = [path for path in files if path.endswith((".py", ".ipynb")) and "__MACOSX" not in path]
    exact = [path for path in usable if path.rpartition("/")[2] in (f"{name}.py", f"{name}.ipynb")]
    if len(exact) == 1 or not exact and len(usable) == 1:
        return files[(exact or usable)[0]]
    raise Unreadable(
        f"there is no {name}.py" if not usable else f"there are {', '.join(sorted(usable))}, expected {name}.py"
    )


def _read(path):
    """The bytes of a regular file; a link could lead anywhere."""
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        raise Unreadable(f"{path.name} is no regular file")
    if facts.st_size > LARGEST:
        raise Unreadable(f"{path.name} has {facts.st_size} bytes, expected at most {LARGEST}")
    return path.read_bytes()


def _text(name, data, functions):
    try:
        text = data.decode("utf-8-sig")
        return _from_notebook(json.loads(text), functions) if name.endswith(".ipynb") else text
    except (UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{name} is no text: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable(f"{name} is no notebook") from None


def _from_notebook(notebook, functions):
    """The functions, and the imports, functions, classes and constants that they use, of all code cells that Python can
    read, whatever their metadata."""
    found, broken = [], ""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        text = "".join(cell["source"])
        lines = ["" if line.lstrip().startswith(("%", "!", "?")) else line for line in text.splitlines()]
        try:
            nodes = ast.parse("\n".join(lines)).body
        except (SyntaxError, ValueError, MemoryError) as error:
            broken = broken or _broken(text, error, functions)
            continue
        found += [(node, lines) for node in nodes if isinstance(node, DEFINES)]
    if broken:
        raise Unreadable(broken)
    kept = []
    for node, lines in _needed(found, functions):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        kept += lines[first - 1 : node.end_lineno]
    return "\n".join(kept) + "\n"


def _broken(text, error, functions):
    """What is wrong with the text of a cell, "" where no function is in it."""
    name = next((name for name in functions if f"def {name}" in text), "")
    words = f"{error.msg} (line {error.lineno})" if isinstance(error, SyntaxError) else str(error)
    return f"a cell with {name}: {words}" if name else ""


def _needed(found, functions):
    """Of ``[(node, lines), ...]`` what defines the functions and what they use: the rest may need what is not there."""
    names, before = {*functions, "*"}, -1
    while len(names) != before:
        before = len(names)
        for node, _ in found:
            if _defines(node) & names:
                names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return [(node, lines) for node, lines in found if _defines(node) & names]


def _defines(node):
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
