"""The kinds of boxes, for tests: functions that give the tier, or skip with the reason why it is not here."""

import functools

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
