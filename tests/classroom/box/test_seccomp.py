"""The filter of system calls, run by an interpreter of its own."""

import struct

import pytest

from minires.classroom.box.inside import seccomp


def verdict(steps, architecture, number):
    """What the kernel would do: the four instructions that the filter has."""
    at, register = 0, None
    while True:
        code, yes, no, k = struct.unpack("<HBBI", steps[at])
        at += 1
        if code == seccomp.LOAD:
            register = {seccomp.NUMBER: number, seccomp.ARCHITECTURE: architecture}[k]
        elif code == seccomp.RETURN:
            return k
        else:
            at += yes if (register == k if code == seccomp.EQUAL else register >= k) else no


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_listed_calls_alone_are_allowed(machine):
    architecture, calls = seccomp.MACHINES[machine]
    steps = seccomp.program(machine)
    for number in range(600):
        wanted = seccomp.ALLOW if number in calls.values() else seccomp.EPERM
        assert verdict(steps, architecture, number) == wanted


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_other_architectures_end_the_process(machine):
    steps = seccomp.program(machine)
    for other in (0x40000003, *(a for a, _ in seccomp.MACHINES.values() if a != seccomp.MACHINES[machine][0])):
        assert verdict(steps, other, 0) == seccomp.KILL


def test_the_second_set_of_numbers_of_x86_64_ends_the_process():
    assert verdict(seccomp.program("x86_64"), 0xC000003E, seccomp.X32 + 57) == seccomp.KILL


@pytest.mark.parametrize(
    "call", ["clone", "fork", "execve", "kill", "socket", "ptrace", "mkdir", "setuid", "prlimit64"]
)
def test_nothing_that_leads_out_is_listed(call):
    assert all(call not in calls for _, calls in seccomp.MACHINES.values())


def test_an_unknown_machine_has_no_filter():
    with pytest.raises(OSError, match="the system calls of riscv64 are not known"):
        seccomp.program("riscv64")
