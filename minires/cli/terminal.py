"""How wide the terminal is, and whether it wants colours: the environment says so, and tyro and tqdm read it too."""

import contextlib
import os
import shutil

LEAST, MOST = 40, 200  # columns; with fewer than LEAST, help would be laid out for ever


def width(most):
    """Columns for text, ``most`` where the terminal has them or none is there."""
    return max(LEAST, min(most, shutil.get_terminal_size((most, 24)).columns))


@contextlib.contextmanager
def sane_terminal():
    """While the block runs, the environment has a width from LEAST to MOST, and wants no colours if NO_COLOR is set."""
    before, columns = dict(os.environ), shutil.get_terminal_size().columns
    if not LEAST <= columns <= MOST:
        os.environ["COLUMNS"] = str(max(LEAST, min(columns, MOST)))
    if os.environ.get("NO_COLOR"):  # as no-color.org has it: set and not empty
        os.environ["TERM"] = "dumb"
    try:
        yield
    finally:
        for name in ("COLUMNS", "TERM"):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]
