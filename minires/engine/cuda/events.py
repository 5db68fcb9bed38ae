"""How long the launches of a program take, by the events of the GPU."""

import itertools
from collections import Counter


def milliseconds(frame, ahead=()):
    """({operation: of its forward}, {operation: of its backward}, of what serves all of them).

    All launches run once more, and what they change is put back. ahead: calls before them, during which the host gets
    ahead of the GPU: without, a short launch takes as long as the host needs for the next
    """
    program = frame.program
    try:
        kept = [(array, array.copy()) for array in {id(a): a for a in frame.bound if a is not None}.values()]
    except MemoryError:  # what fills the GPU is not measured
        return {}, {}, 0.0
    calls = [frame.call(item) for item in (*program.forward, *program.backward)]
    events = [frame.xp.cuda.Event() for _ in range(len(calls) + 1)]
    try:
        for call in ahead:
            call()
        events[0].record()
        for call, after in zip(calls, events[1:]):
            if call is not None:
                call()
            after.record()
        events[-1].synchronize()
    finally:
        for array, copy in kept:
            array[...] = copy
    forward, backward, rest = Counter(), Counter(), 0.0
    for k, (owner, pair) in enumerate(zip(program.owners, itertools.pairwise(events))):
        time = frame.xp.cuda.get_elapsed_time(*pair)
        if owner is None:
            rest += time
        else:
            (forward if k < program.turn else backward)[owner] += time
    return forward, backward, rest
