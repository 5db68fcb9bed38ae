"""minires tutorials."""

from pathlib import Path
from typing import Annotated

import tyro

from ..errors import StateError
from ..files.tutorials import tutorial_files
from ..files.whole import check_folder, make_folder, write_atomically
from .common import Json, print_json

TITLE = "# # "


def tutorials(*, to: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None, as_json: Json = False) -> None:
    """List the tutorials, or copy them into a folder, to run and to change.

    For example: minires tutorials --to tutorials

    Args:
        to: Folder for the copies. A file there that you have changed is not overwritten.
    """
    found = {path.name: path.read_bytes() for path in tutorial_files()}
    if to is not None:
        _copy(found, to)
    titles = {name: _title(data) for name, data in found.items()}
    if as_json:
        return print_json(tutorials=titles, folder=to)
    for name, title in titles.items():
        print(f"{name:<44} {title}")
    first = next(iter(found))
    print("for example: " + ("minires tutorials --to tutorials" if to is None else f"python {Path(to) / first}"))


def _title(data):
    lines = data.decode("utf-8").splitlines()
    return next(line.removeprefix(TITLE) for line in lines if line.startswith(TITLE))


def _copy(found, to):
    """All or nothing: first look at what is there."""
    check_folder(to)
    folder = Path(to).expanduser()
    there = {name: (folder / name).read_bytes() for name in found if (folder / name).exists()}
    if other := [name for name, data in there.items() if data != found[name]]:
        raise StateError(
            f"{folder} holds {', '.join(other)} with other content, expected none or the same: take another folder, or "
            "move the changed files away"
        )
    make_folder(to)
    for name, data in found.items():
        write_atomically(folder / name, data)
