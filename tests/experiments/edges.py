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


def require_edge(experiment, numbers, path, bound, inside, eps=EPS):
    """The verdict of ``numbers`` (of one seed) fails from ``bound`` on, and is as expected on the side of ``inside``,
    +1 or -1. eps: how near to the bound"""
    within = bound if bound == 0 else bound + inside * eps  # of what is counted, nothing is less than 0
    for value, word in ((within, experiment.expected), (bound - inside * eps, "FAILS")):
        assert experiment.verdict([put(numbers, path, value)]).word == word, (path, value)
    assert experiment.verdict([numbers, put(numbers, path, bound - inside * eps)]).word == "FAILS", "of every seed"
