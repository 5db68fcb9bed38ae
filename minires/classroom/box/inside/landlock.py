"""What a worker may reach in the file system and the network, by Landlock of the kernel: reading below some paths.

man 7 landlock. No path may be written to or executed; no TCP port be bound or connected to; no signal and no abstract
socket leads outside.
"""

import ctypes
import os
import struct

CREATE, ADD_RULE, RESTRICT = 444, 445, 446
READ_FILE, READ_DIR = 1 << 2, 1 << 3
LEAST = 1  # version of the interface


def version():
    """Of the kernel's Landlock; 0 where there is none."""
    return max(0, _call(CREATE, None, 0, 1))


def restrict(paths, listed=()):
    """From here on this process can read below ``paths``, see names below ``listed``, and no more.

    Raises OSError where the kernel will not.
    """
    found = version()
    if found < LEAST:
        raise OSError("this kernel has no Landlock")
    files = (1 << 13) - 1
    for least, bit in ((2, 13), (3, 14), (5, 15)):  # renaming between folders, truncation, ioctl
        files |= (found >= least) << bit
    rights = struct.pack("<QQQ", files, 3 if found >= 4 else 0, 3 if found >= 6 else 0)
    rights = rights[: 24 if found >= 6 else 16 if found >= 4 else 8]
    rules = _call(CREATE, rights, len(rights), 0)
    if rules < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    for path in paths:
        _allow(rules, path, READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE)
    for path in listed:
        _allow(rules, path, READ_DIR)
    if _call(RESTRICT, rules, 0):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(rules)


def _allow(rules, path, rights):
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # nothing is there to be read
    failed = _call(ADD_RULE, rules, 1, struct.pack("<Qi", rights, place), 0)
    os.close(place)
    if failed:
        raise OSError(ctypes.get_errno(), f"landlock_add_rule: {path}")


def _call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(number, *arguments)
