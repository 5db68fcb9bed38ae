"""The kinds of boxes, for tests: functions that give the tier, or skip with the reason why it is not here."""

import functools
import os
import sys
from pathlib import Path

import pytest

from minires.classroom.box import BUBBLEWRAP, LANDLOCK, BoxError, self_test


@functools.cache
def reason(tier):
    try:
        self_test(tier)
    except BoxError as error:
        return str(error)
    return None


def boxes():
    """Parameters for ``parametrize``."""

    def here(tier):
        if reason(tier):
            pytest.skip(reason(tier))
        return tier

    return [pytest.param(functools.partial(here, tier), id=tier.name) for tier in (BUBBLEWRAP, LANDLOCK)]


def require_other_users():
    """Skip where a test cannot be another user, with a Python such as one of ``/usr/bin/python3 -m venv /opt/box``."""
    if os.getuid() != 0 or any(path.stat().st_mode & 5 != 5 for path in Path(sys.executable).resolve().parents):
        pytest.skip("only root can be another user, and only with a Python that every user can read")
