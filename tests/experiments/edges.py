"""Numbers of a measurement, changed in one place to just within or beyond a bound."""

import copy

EPS = 1e-6


def put(numbers, path, value):
    """A copy of ``numbers`` that has ``value`` at ``path``, keys and indices one after the other."""
    changed = copy.deepcopy(numbers)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def require_edge(experiment, numbers, path, bound, inside):
    """The verdict of ``numbers`` (of one seed) fails from ``bound`` on, and is as expected on the side of ``inside``,
    +1 or -1."""
    for step, word in ((inside * EPS, experiment.expected), (-inside * EPS, "FAILS")):
        assert experiment.verdict([put(numbers, path, bound + step)]).word == word, (path, bound + step)
    assert experiment.verdict([numbers, put(numbers, path, bound - inside * EPS)]).word == "FAILS", "of every seed"
