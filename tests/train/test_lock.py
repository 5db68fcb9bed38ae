"""One training at a time in a folder."""

import pytest

from minires.errors import StateError
from minires.train.lock import only_user


def test_one_user_at_a_time(tmp_path):
    with only_user(tmp_path):
        with pytest.raises(StateError, match="in use by 1 other process, expected none"):
            with only_user(tmp_path):
                pytest.fail("two users")
    with only_user(tmp_path):
        pass
