"""How a frame cuts its passes."""

from hypothesis import given
from hypothesis import strategies as st

from minires.engine.cpu import constants
from minires.engine.cpu.frame import bands_of


@given(st.integers(1, 50), st.integers(1, 200_000), st.booleans())
def test_bands_cover_all_rows(rows, length, several):
    bands = bands_of(rows, length, several)
    assert [r for band in bands for block in band for r in range(block.start, block.stop)] == list(range(rows))
    assert len(bands) == 1 or several and len(bands) <= constants.PIECES
    assert all(
        block.stop - block.start == 1 or block.stop * length - block.start * length <= constants.BLOCK
        for band in bands
        for block in band
    )


def test_little_is_one_band():
    assert len(bands_of(28, 3584, True)) == constants.PIECES and len(bands_of(28, 3584, False)) == 1
    assert len(bands_of(7, 3584, True)) == 1
    assert len(bands_of(2, 10**6, True)) == 2
