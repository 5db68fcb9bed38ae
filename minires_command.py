"""The command ``minires``, in a module that needs next to nothing: Ctrl-C while minires is read ends it quietly."""

import os
import signal


def main():
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # ignored, as behind nohup or &, it stays so
        signal.signal(signal.SIGINT, _stop)
    from minires.cli import main

    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def _stop(number, frame):
    """No exception: raised while a library is read, it may come out as another, or not at all."""
    try:
        os.write(2, b"minires: stopped\n")
    finally:
        os._exit(128 + number)
