"""Memory with a number: places, other processes, and that it goes back."""

import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minires.engine.cpu import arena

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memfd_create is of Linux")


def blocks(made):
    """Kilobytes that the system has given to the file of an arena."""
    return os.fstat(made.file).st_blocks // 2


@given(st.lists(st.tuples(st.integers(1, 5000), st.sampled_from(["f4", "f8", "i8", "u1"])), min_size=1, max_size=8))
@settings(max_examples=30)
def test_views_are_found_in_the_file(many):
    made = arena.Arena()
    arrays = [made.zeros(numbers, dtype) for numbers, dtype in many]
    for k, array in enumerate(arrays):
        assert not array.any()
        array[...] = k + 1
    parts = [array[len(array) // 2 :] for array in arrays]
    file = mmap.mmap(made.file, 0)
    for part, offset in zip(parts, made.where(parts)):
        assert np.array_equal(np.ndarray(part.shape, part.dtype, file, offset), part)
    assert made.where([np.zeros(3), arrays[0]])[0] is None


def test_another_process_sees_what_is_written():
    made = arena.Arena()
    array = made.zeros(1000, np.float32)
    array[...] = np.arange(1000)
    code = (
        "import mmap, sys, numpy as np\n"
        "a = np.frombuffer(mmap.mmap(int(sys.argv[1]), 0), np.float32, 1000, int(sys.argv[2]))\na *= 2"
    )
    given_ = [str(made.file), str(*made.where([array]))]
    subprocess.run([sys.executable, "-c", code, *given_], pass_fds=[made.file], check=True)
    assert np.array_equal(array, 2 * np.arange(1000))


def test_memory_goes_back_with_the_last_view():
    made = arena.Arena()
    array = made.zeros(1 << 20, np.float32)
    array[...] = 1
    part = array[:5]
    del array
    assert blocks(made) >= 4096 and part.all()
    del part
    assert blocks(made) == 0
    assert not made.zeros(10, np.float32).any()


def test_a_fork_takes_no_memory_with_it():
    made = arena.Arena()
    array = made.zeros(1000, np.float32)
    array[...] = 1
    child = os.fork()
    if not child:
        del array
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert array.all()


def test_the_file_is_closed_with_its_arena():
    made = arena.Arena()
    number, array = made.file, made.zeros(10, np.float32)
    del made
    with pytest.raises(OSError):
        os.fstat(number)
    array[...] = 1  # it holds its memory itself
    assert array.all()
