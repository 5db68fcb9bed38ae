"""System calls that a worker may make, by a filter of the kernel: no new process, file, socket or signal.

man 2 seccomp; the filter is a program of the Berkeley packet filter over struct seccomp_data {nr, arch, ip, args[6]}.
A call that is not listed fails with EPERM; one for another architecture ends the process.
"""

import ctypes
import os
import signal
import struct

X86_64 = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20,
    "access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "nanosleep": 35, "getpid": 39, "exit": 60,
    "uname": 63, "getcwd": 79, "readlink": 89, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98, "sysinfo": 99,
    "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131,
    "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204, "getdents64": 217, "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "openat": 257, "newfstatat": 262,
    "readlinkat": 267, "faccessat": 269, "getcpu": 309, "getrandom": 318, "statx": 332, "rseq": 334, "faccessat2": 439,
    "stat": 4, "lstat": 6, "open": 2,
}  # fmt: skip
AARCH64 = {
    "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226, "munmap": 215,
    "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "pread64": 67, "readv": 65,
    "writev": 66, "sched_yield": 124, "mremap": 216, "madvise": 233, "dup": 23, "nanosleep": 101, "getpid": 172,
    "exit": 93, "uname": 160, "getcwd": 17, "gettimeofday": 169, "getrlimit": 163, "getrusage": 165, "sysinfo": 179,
    "times": 153, "getuid": 174, "getgid": 176, "geteuid": 175, "getegid": 177, "getppid": 173, "sigaltstack": 132,
    "gettid": 178, "futex": 98, "sched_getaffinity": 123, "getdents64": 61, "clock_gettime": 113, "clock_getres": 114,
    "clock_nanosleep": 115, "exit_group": 94, "openat": 56, "newfstatat": 79, "readlinkat": 78, "faccessat": 48,
    "ppoll": 73, "getrandom": 278, "statx": 291, "rseq": 293, "faccessat2": 439, "getcpu": 168,
}  # fmt: skip
MACHINES = {"x86_64": (0xC000003E, X86_64), "aarch64": (0xC00000B7, AARCH64)}  # AUDIT_ARCH_..., calls
NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, EPERM = 0x7FFF0000, 0x80000000, 0x00050001
X32 = 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 1, 4, 22, 38, 2


def program(machine):
    """The instructions of the filter, 8 bytes each. Raises OSError for a machine whose calls are not known."""
    if machine not in MACHINES:
        raise OSError(f"the system calls of {machine} are not known here")
    architecture, calls = MACHINES[machine]
    steps = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":  # its second set of numbers
        steps += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for number in sorted(calls.values()):
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    return [struct.pack("<HBBI", *step) for step in [*steps, (RETURN, 0, 0, EPERM)]]


def no_new_privileges():
    """Neither this process nor what it starts can gain rights any more, which both filters ask for.

    Its own files in /proc are root's from here on.
    """
    _prctl(PR_SET_DUMPABLE, 0, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1, 0)


def end_with_parent(parent):
    """The kernel kills this process when the thread that started it ends, however that ends; ``parent`` is its pid."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0)
    if os.getppid() != parent:  # it has ended before
        os.kill(os.getpid(), signal.SIGKILL)


def restrict():
    """From here on this process can make no other system calls. Raises OSError where the kernel will not."""
    steps = program(os.uname().machine)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    content = ctypes.create_string_buffer(b"".join(steps))
    code = Program(len(steps), ctypes.addressof(content))
    _prctl(PR_SET_SECCOMP, FILTER, ctypes.addressof(code))


def _prctl(option, first, second):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if libc.prctl(option, first, second, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option})")
