"""What a submission must not be able to do, tried in the box before anything is graded: (what, whether it failed)."""

import ctypes
import errno
import os
import signal
import socket
import sys


def probe(canary, secret):
    """canary: a file of the grader's that can be read outside   secret: a name of the grader's environment"""
    tries = (read_file, write_file, fork, execute, connect, end_others, become_root, raise_limit, look_around, trace)
    return [[attempt.__name__, bool(_fails(attempt, canary, secret))] for attempt in tries]


def _fails(attempt, canary, secret):
    try:
        return not attempt(canary, secret)
    except Exception:
        return True


def read_file(canary, secret):
    with open(canary, "rb") as file:
        return file.read(1) is not None


def write_file(canary, secret):
    for path in (canary, "/tmp/minires-box", "/minires-box", "/dev/shm/minires-box", "minires-box"):
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT) >= 0
        except OSError:
            pass
    return False


def fork(canary, secret):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def execute(canary, secret):
    """Of a file that is not there: what may not be done fails before that is known."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.execve(b"/nowhere", None, None)
    return ctypes.get_errno() != errno.EPERM


def connect(canary, secret):
    return bool(socket.socket(socket.AF_INET, socket.SOCK_STREAM))


def end_others(canary, secret):
    os.kill(os.getppid(), 0)
    os.kill(1, signal.SIGCONT)
    return True


def become_root(canary, secret):
    os.setuid(0)
    return True


def raise_limit(canary, secret):
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))
    return True


def look_around(canary, secret):
    """At the environment, the command line, and whether minires, the answer, can be imported."""
    if secret in os.environ or len(sys.argv) > 1:
        return True
    import minires

    return bool(minires)


def trace(canary, secret):
    return ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0  # "trace me": to trace the grader would stop it
