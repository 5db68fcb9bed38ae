"""The step-through in a terminal: a prompt of one-letter commands over a :class:`~minires.trace.stepper.Stepper`."""

import sys

from ..errors import MiniresError, RangeError
from .condition import measure
from .said import fill, padded, said
from .screen import MARK, WIDTH, numbers, screen, table

HELP = """\
s  step    to the next stop, into containers and the branches of forks
n  next    over: at the begin of a container to its end
o  out     to the end of the container around here
b  back    to the stop before
u  until   u stage2.0.add    the next begin of a layer, in either direction
           u ReLU            the next begin of a layer of a class
           u nonfinite       the next NaN or infinity
           u norm(shortcut) < .1 * norm(branch)
           with + - * / **, < <= > >= == !=, and or not, and of one array each:
           norm mean min max std zeros (a fraction) nonfinite (a number)
g  goto    g 57              the stop with that number
w  where   all about this stop
l  list    the stops around this one
p  print   p x, p dy 0 3     an array; of axes before the last two, the indices
h  help    this page
q  quit    as Ctrl-D does
Enter repeats the last command. Forward: -> x to y. Backward: <- dy to dx.\
"""
COMMANDS = ("step", "next", "out", "back", "until", "goto", "where", "list", "print", "help", "quit")
NOWHERE = {
    "step": "this is the last stop: b goes back, g 0 to the begin",
    "next": "this is the last stop: b goes back, g 0 to the begin",
    "out": "no container is around this stop: s goes on",
    "back": "this is the first stop: s goes on",
    "until": "no stop after this one meets that: b and g go back in time",
    "goto": "that is this stop",
}


def run_shell(stepper, input=None, output=None, language="en"):
    """Read commands from ``input`` until it ends or says q; write to ``output``: text streams, as a rule a terminal.

    Mistakes are answered, never raised. language: "en" or "zh"
    """
    input, output = input or sys.stdin, output or sys.stdout
    begin = said(language, "h is help, s a step, q the end")
    answer, last = f"{screen(stepper, language=language)}\n\n{begin}", "step"
    while answer is not None:
        print(answer, end="\n\n(step) ", file=output, flush=True)
        line = input.readline()
        if not line:
            break
        last = line.strip() or last
        answer = _answer(stepper, last, language)
    print(file=output)


def _answer(stepper, line, language):
    """What to print for a command; None ends the session."""
    typed, _, rest = line.partition(" ")
    command = next((c for c in COMMANDS if c.startswith(typed)), None)
    if command == "quit":
        return None
    try:
        return _perform(stepper, command, typed, rest.strip(), language)
    except MiniresError as error:
        return fill(str(error), WIDTH)


def _perform(stepper, command, typed, rest, language):
    match command:
        case "step" | "next" | "out" | "back":
            moved = getattr(stepper, command)()
        case "until":
            if not rest:
                raise RangeError("u needs a layer or a condition: u stage2.0.add, u ReLU, u nonfinite, u norm(dx) < 1")
            moved = stepper.until(rest)
        case "goto":
            moved = stepper.goto(_integers(rest, "g", "g 57", count=1)[0])
        case "where":
            return screen(stepper, full=True, language=language)
        case "list":
            return _around(stepper, language)
        case "print":
            return _array(stepper.event, rest, language)
        case "help":
            return "\n".join(said(language, line) for line in HELP.split("\n"))
        case _:
            raise RangeError(f"there is no command {typed!r}, expected {', '.join(COMMANDS)}, or their first letters")
    return screen(stepper, language=language) if moved else said(language, NOWHERE[command])


def _around(stepper, language, reach=6):
    first = max(stepper.index - reach, 0)
    digits = len(str(len(stepper.events)))
    lines = []
    for e in stepper.events[first : stepper.index + reach + 1]:
        name, array = ("dx", e.dx) if e.phase == "backward" else ("y", e.y)
        size = f"|{name}| {measure('norm', array):.4g}" if array is not None and e.moment == "end" else ""
        mark = ">" if e.index == stepper.index else " "
        lines.append(f"{mark} {e.index:>{digits}}  {MARK[e.phase]} {padded(e.in_words(language), 58)} {size}".rstrip())
    return "\n".join(lines)


def _array(event, rest, language):
    name, _, indices = rest.partition(" ")
    if name not in event.arrays:
        found = f"there is no array {name!r} at this stop" if name else "p needs the name of an array"
        raise RangeError(f"{found}, expected one of {', '.join(event.arrays) or 'none: there are no arrays here'}")
    array = event.arrays[name]
    place = _integers(indices, "p", f"p {name} 0")
    if len(place) > max(array.ndim - 2, 0) or any(not 0 <= i < size for i, size in zip(place, array.shape)):
        raise RangeError(
            f"{name} has shape {array.shape}, no plane at {place}: give indices of the axes before the last two"
        )
    return "\n".join([*table({name: array}, language), "", *numbers(name, array, place)])


def _integers(text, command, example, count=None):
    words = text.split()
    if not all(word.isdecimal() and len(word) < 10 for word in words) or count not in (None, len(words)):
        raise RangeError(f"{command} does not understand {text!r}, expected {example}, with numbers from 0")
    return tuple(int(word) for word in words)
