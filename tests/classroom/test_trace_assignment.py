"""The assignment on tracing: each student has other networks, and each block is out of order in one of them."""

import numpy as np

from minires.classroom import assignment

(TASK,) = assignment("trace").exercises
DEAD, BLOCKS, KINDS = (TASK.questions[name] for name in ("DEAD", "BLOCKS", "KINDS"))
PLACES = {"bias": 1, "gamma": 3, "gate": 4, "scale": 5}


def out_of_order(net):
    """[(block, kind)] of all arrays that hold the value of sabotage in a whole row."""
    rows = {kind: (net[at] == DEAD[kind]).reshape(len(net[at]), -1).all(axis=1) for kind, at in PLACES.items()}
    return [(block, kind) for kind, dead in rows.items() for block in np.flatnonzero(dead)]


def test_in_100_seeds_the_solution_finds_the_block_and_a_constant_answer_one_in_the_number_of_blocks():
    hits, networks = np.zeros((BLOCKS, 2)), 0
    for seed in range(100):
        kinds = []
        for name, (x, dy, *net) in TASK.questions["cases"](np.random.default_rng(seed)):
            if name != "find":
                continue
            ((block, kind),) = out_of_order(net)
            term = 0 if kind == "scale" else 1
            assert list(TASK.solution["find"](x, dy, *net)) == [block, term]
            hits[block, term] += 1
            networks += 1
            kinds.append(kind)
        assert set(kinds) == set(KINDS)
    assert networks == 100 * BLOCKS and hits.sum(axis=1).max() == networks / BLOCKS
    order = [[out_of_order(given[2:])[0][0] for name, given in TASK.questions["cases"](np.random.default_rng(seed))
              if name == "find"] for seed in range(20)]  # fmt: skip
    assert len({tuple(blocks) for blocks in order}) > 15


def test_blocks_in_order_stand_far_above_what_counts_as_dead():
    for seed in range(20):
        for name, (_, _, *net), shown in TASK.cases(seed):
            if name == "ledger":
                ((bad, kind),) = out_of_order(net)
                shortcut, branch = np.delete(shown["ledger"], bad, 0).T
                assert (abs(shortcut - 1) < 1e-12).all() and branch.min() > 5 * TASK.questions["ALIVE"]
                assert shown["ledger"][bad, 0 if kind == "scale" else 1] < (0.06 if kind == "scale" else 1e-10)


def test_one_plus_sum_breaks_at_the_scaled_shortcut_and_before_it_and_nowhere_else():
    for seed in range(20):
        for name, (_, _, *net), shown in TASK.cases(seed):
            if name == "gap":
                ((bad, kind),) = out_of_order(net)
                breaks = shown["gap"] > 1e-6
                assert list(breaks) == [kind == "scale" and block <= bad for block in range(BLOCKS)]


def test_small_cases_are_finite():
    assert all(np.isfinite(array).all() for *_, shown in TASK.small for array in shown.values())
