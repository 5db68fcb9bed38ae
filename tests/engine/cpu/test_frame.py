"""How a frame cuts its passes."""

from hypothesis import given
from hypothesis import strategies as st

from minires.engine.cpu.frame import blocks_of


@given(st.integers(1, 50), st.integers(1, 200_000))
def test_blocks_cover_all_rows(rows, length):
    blocks = blocks_of(rows, length)
    assert [r for block in blocks for r in range(block.start, block.stop)] == list(range(rows))
