"""What the commands share: types of options, exit codes, JSON."""

import json
import os
from typing import Annotated, Literal

import tyro

from ..errors import RangeError

FAILED, USAGE, STOPPED = 1, 2, 128

Switch = tyro.conf.FlagCreatePairsOff[bool]
Json = Annotated[Switch, tyro.conf.arg(name="json", help="Print one JSON object and nothing else.")]
Name = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")]
Run = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")]
Text = Annotated[str | None, tyro.conf.arg(metavar="STR")]
Number = Annotated[int | None, tyro.conf.arg(metavar="INT")]
Part = Annotated[float | None, tyro.conf.arg(metavar="PART")]
Options = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")]
Hidden = tyro.conf.Suppress[tyro.conf.Fixed[tuple[str, ...]]]
Device = Annotated[str, tyro.conf.arg(metavar="{cpu,cuda,cuda:1}")]
Language = Annotated[Literal["en", "zh"] | None, tyro.conf.arg(metavar="{en,zh}")]


def print_json(source=None, *fields, **facts):
    """Print ``facts`` and the named fields of ``source`` as one JSON object."""
    print(json.dumps(facts | {field: getattr(source, field) for field in fields}))


def spoken(language):
    """The ``language`` that was given, else that of MINIRES_LANG, else English. RangeError for another one there."""
    language = language or os.environ.get("MINIRES_LANG") or "en"
    if language not in ("en", "zh"):
        raise RangeError(f"MINIRES_LANG is {language!r}, expected en or zh: set it to one of them, or give --lang")
    return language


def given_options(**options):
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
