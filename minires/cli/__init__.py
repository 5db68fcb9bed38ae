"""The command ``minires``: train, eval, check, models, data, trace, step, lab, bench, experiment, assign,
tutorials.

Results go to standard output, progress to standard error; with ``--json`` standard output is one JSON object and
nothing else. Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + signal stopped: 130 by Ctrl-C, 143 by SIGTERM, 129 by
SIGHUP (a terminal that closes).
"""

import functools
import shlex
import signal
import sys

import tyro

from .. import __version__
from ..errors import DTypeError, MiniresError, RangeError
from ..files.streams import standard_streams
from ..train import Interrupted
from .assignments import TAKES, assign
from .benchmarks import bench
from .catalogue import data, models
from .checks import check
from .common import FAILED, STOPPED, USAGE
from .experiments import experiment
from .gradients import step, trace
from .lab import lab
from .terminal import sane_terminal
from .training import evaluate_run, train
from .tutorials import tutorials

COMMANDS = {
    "train": train,
    "eval": evaluate_run,
    "check": check,
    "models": models,
    "data": data,
    "trace": trace,
    "step": step,
    "lab": lab,
    "bench": bench,
    "experiment": experiment,
    "assign": assign,
    "tutorials": tutorials,
}


def main(argv=None):
    """Run the command line ``argv`` (default: that of the process) and return its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    with standard_streams(), sane_terminal():
        try:
            code = _run(argv)
            sys.stdout.flush()
            return code
        except SystemExit as exit:  # help, or an option that does not exist
            return exit.code or 0
        except (RangeError, DTypeError) as error:
            return _complain(error, USAGE)
        except Interrupted as error:
            return _complain(error, STOPPED + error.signal)
        except KeyboardInterrupt:
            return _complain("stopped", STOPPED + signal.SIGINT)
        except BrokenPipeError:  # the reader, such as head, has seen enough
            return FAILED
        except MiniresError as error:
            return _complain(error, FAILED)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            return _complain(f"{place}{error.strerror or error}", FAILED)
        except MemoryError as error:
            return _complain(
                f"{str(error).rstrip('. ') or 'the memory is full'}: take a smaller batch, image or network", FAILED
            )


def _run(argv):
    if argv == ["--version"]:
        return print(f"minires {__version__}") or 0
    if _forgets_assign(*argv[:2]):
        meant = f"minires assign {shlex.join(argv)}"
        raise RangeError(f"for an assignment the command is: {meant}")
    words = [word.split("=")[0].replace("-", "_") for word in argv if word.startswith("--")]
    given = tuple(word.removeprefix("__").removeprefix("no_") for word in words)
    commands = COMMANDS | {"train": functools.partial(train, given=given)}
    description = "Residual networks from scratch, with manual backprop. minires --version says which minires this is."
    return tyro.extras.subcommand_cli_from_dict(commands, prog="minires", args=argv, description=description) or 0


def _forgets_assign(word="", then="-"):
    return word in TAKES and (word not in COMMANDS or not then.startswith("-"))


def _complain(error, code):
    print(f"minires: {error}", file=sys.stderr)
    return int(code)
