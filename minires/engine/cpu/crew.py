"""A batch of one chunk: calls that do not wait for each other are done side by side.

A chunk belongs to one thread. Where there is but one, it deals its large operations out in items, blocks of rows or
pieces of a product, which are the same for any number of threads:

    for rows, area in dealt(blocks, workspace):
        area.do(...)

The calls of each work area become a stream, and the streams of one loop a section: one call in the list of the first
thread. In the next run it has helper processes do the other streams, or threads where that is worth it, does its own,
and waits.
"""

from .team import TEAM


class Crew:
    """The work areas of all threads, and their helpers, if there are any."""

    def __init__(self, seats, helpers):
        self.seats, self.helpers = seats, helpers


class Section:
    """``streams``: a list of calls for each of the first work areas of a crew

    long: whether other threads are worth waking for it
    """

    def __init__(self, streams, long):
        self.streams, self._long = streams, long

    def __call__(self, first):
        """first: the work area of the thread that is here, whose stream is the first"""
        crew = first.crew
        if crew.helpers is None or not crew.helpers.do(self):
            TEAM.run(do, self.streams, crew.seats if self._long else crew.seats[:1])


def do(calls, _=None):
    """Do the calls of a list."""
    for function, arguments in calls:
        function(*arguments)


def dealt(items, workspace, long=False):
    """Yield (item, the work area where it is done). What an item is split into is not dealt again.

    Neighbours have one work area: rows that one operation leaves in the cache of a core the next finds there.
    long: whether other threads are worth waking for it, where there are no helpers
    """
    crew = workspace.crew
    if crew is None or len(items) < 2:
        for item in items:
            yield item, workspace
        return
    areas, calls = crew.seats[: len(items)], workspace.calls
    for area in areas[1:]:
        area.begin(workspace.phase, home=workspace)
    for area in areas:
        area.calls = []
    workspace.crew = None
    try:
        for k, item in enumerate(items):
            yield item, areas[k * len(areas) // len(items)]
    finally:
        section = Section([area.calls for area in areas], long)
        workspace.crew, workspace.calls = crew, calls
        calls.append((section, (workspace,)))
