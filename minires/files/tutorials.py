"""Where the tutorials are: in what is installed, or in the repository."""

from pathlib import Path

from ..errors import StateError

PACKAGE = Path(__file__).parents[1]
PLACES = PACKAGE / "tutorials", PACKAGE.parent / "tutorials"


def tutorial_files() -> list[Path]:
    """The paths of the tutorials, in order. Raises StateError where there are none."""
    for place in PLACES:
        if paths := sorted(place.glob("[0-9][0-9]_*.py")):
            return paths
    raise StateError(f"no tutorials in {PLACES[0]}, expected them there: install minires again")
