"""What a helper process may be given, and what stays with the threads."""

import numpy as np
import pytest

from minires.engine.cpu import helpers
from minires.engine.cpu.lists import packed
from minires.engine.values import Unsuited
from minires.layers import ReLU

pytestmark = pytest.mark.skipif(
    helpers.helpers_for(2, 2) is None, reason="no memory with a number here, or no lock of the interpreter"
)


def own(a):
    a += 1


@pytest.mark.parametrize("function", [own, ReLU], ids=["function", "class"])
def test_functions_of_others_are_refused(function):
    """A helper has NumPy and the engine's own functions; the packages around these are empty there."""
    arena = helpers.helpers_for(2, 2)._arena
    array = arena.zeros(3, np.float32)
    assert packed([(array, [[[(np.add, (array, array, array))]]])], arena)
    with pytest.raises(Unsuited, match=f"it calls {function.__qualname__}"):
        packed([(array, [[[(function, (array,))]]])], arena)
