"""Which box this machine has: each is tried before it is trusted."""

import os
import tempfile

from .box import Box, BoxError, Failure
from .tiers import BUBBLEWRAP, INSIDE, LANDLOCK

SECRET = "MINIRES_BOX_PROBE"


def strongest(tiers=(BUBBLEWRAP, LANDLOCK)):
    """The first of ``tiers`` whose self-test holds, here and now. Raises BoxError, with all reasons, where none."""
    reasons = []
    for tier in tiers:
        try:
            self_test(tier)
            return tier
        except BoxError as error:
            reasons.append(str(error))
    raise BoxError(
        "no box holds on this machine, so that nothing is graded: " + "; ".join(reasons) + ": install bubblewrap, or a "
        "Linux with Landlock; --trust-submissions runs code as it is, which is for your own alone"
    )


def self_test(tier):
    """Raise BoxError unless everything that :mod:`~.inside.probes` tries fails in a box of this kind."""
    with tempfile.NamedTemporaryFile() as canary:
        canary.write(b"canary")
        canary.flush()
        os.chmod(canary.name, 0o666)  # as open as a file can be: only the box can keep it
        os.environ[SECRET] = "secret"
        try:
            with Box(tier) as box:
                box.load((INSIDE / "probes.py").read_text())
                tried = box.call("probe", canary.name, SECRET)
        except Failure as error:
            raise BoxError(f"{tier.name}: the self-test ends with {error}") from None
        finally:
            del os.environ[SECRET]
    opened = [name for name, failed in tried if not failed]
    if opened or len(tried) != 10:
        raise BoxError(f"{tier.name} is there, but does not hold: {', '.join(opened) or 'the self-test is not whole'}")
