"""Closing the box, from the inside."""

import os
import resource


def close_box(settings):
    """Give up all that can be given up; in this order, since each step takes away what the one before needs."""
    import landlock
    import seccomp

    if settings["uid"] is not None:  # we are root: become nobody
        os.setgroups([])
        os.setresgid(*[settings["uid"]] * 3)
        os.setresuid(*[settings["uid"]] * 3)
    if settings["parent"] is not None:  # another uid would undo it
        seccomp.end_with_parent(settings["parent"])
    os.chdir("/")
    os.environ.clear()
    requests, answers = (os.dup(pipe) for pipe in settings["pipes"])  # away from the numbers that they shall get
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, place in enumerate((nothing, nothing, nothing, requests, answers)):
        os.dup2(place, number)
    os.closerange(5, 256)
    limits = {
        "RLIMIT_AS": settings["memory"],
        "RLIMIT_CPU": settings["seconds"],
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    seccomp.no_new_privileges()
    if settings["readable"] is not None:
        landlock.restrict(settings["readable"], settings["listed"])
    if settings["filter"]:
        seccomp.restrict()
