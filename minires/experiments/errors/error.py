"""What an error of an article is, and how the lines that show it become a program that anybody can run."""

import ast
import contextlib
import inspect
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Error:
    """Something that an article has wrong.

    number: from 1 on   article: which of the five, and where in it
    says: the sentence, translated   right: what is true instead
    snippet: a function without arguments that shows it: at most eight lines that print what they find and assert it
    because: why nothing can be run, where there is no snippet
    """

    number: int
    article: str
    says: str
    right: str
    snippet: Callable | None = None
    because: str = ""

    @cached_property
    def code(self):
        """The lines of the snippet as a program: what they need of minires and NumPy is imported before them."""
        lines = inspect.getsource(self.snippet).splitlines()[1:]
        body = textwrap.dedent("\n".join(lines))
        return f"{_imports(inspect.getmodule(self.snippet), body)}\n\n{body}\n"

    @cached_property
    def output(self):
        """What the program prints. Raises AssertionError where it does not find what is said here."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(self.code, f"<error {self.number}>", "exec"), {})
        return printed.getvalue()

    def facts(self):
        """Everything, as JSON can hold it."""
        ran = {"code": self.code, "output": self.output} if self.snippet else {"because": self.because}
        return {"number": self.number, "article": self.article, "says": self.says, "right": self.right} | ran


def _imports(module, body):
    """The import statements of ``module``, of which only the names that occur in ``body``."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    found = []
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            statement.names = [alias for alias in statement.names if (alias.asname or alias.name) in used]
            found += [ast.unparse(statement)] if statement.names else []
    return "\n".join(found)
