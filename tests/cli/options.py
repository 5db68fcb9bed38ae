"""What the commands take, read from their own help: a new option is found without a word about it here."""

import contextlib
import io
import os
import re
from dataclasses import dataclass

from minires import cli


@dataclass(frozen=True)
class Option:
    """``names``: all its spellings, such as --nesterov and --no-nesterov   ``values``: "INT", "{a,b}", "" for none."""

    names: tuple
    values: str


def help_of(*command):
    """The text of ``--help``, as wide as it can be."""
    out, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "200"
    try:
        with contextlib.redirect_stdout(out):
            assert cli.main([*command, "--help"]) == 0
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return out.getvalue()


def options_of(command):
    """The :class:`Option` of each option of a command, and of each place for a word without one (without names)."""
    found = []
    for line in help_of(command).splitlines():
        match = re.match(r"│ (?P<names>--[a-z][\w-]*(?:, --[\w-]+)*)(?P<values> .*?)?(?:  |\s*│$)", line)
        if match:
            found.append(Option(tuple(match["names"].split(", ")), (match["values"] or "").strip()))
        elif match := re.match(r"│ (?P<values>\[[A-Z]\w*(?: \.\.\.)?\]|[A-Z]+|\{[\w,]+\})(?:  |\s*│$)", line):
            found.append(Option((), match["values"]))
    return found
