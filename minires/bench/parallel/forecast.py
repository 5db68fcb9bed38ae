"""What a training on several ranks would be like, before it is one: ``minires train --parallel mpi --dry-run``."""

from collections.abc import Sequence

import numpy as np

from ...train import TrainConfig
from ...train.prepare import limited, load_data
from ...train.ranks import Ranks
from ...train.start import start
from .cost import LINKS, Link, Work, cut, images_a_second, limits, step_seconds
from .network import fit, reductions
from .steps import Trainer, layers_of, step_times

SIZES = (1024, 2**16, 2**20)


def forecast(config: TrainConfig, ranks: Ranks) -> list[str]:
    """Lines for the user: each rank's share, bytes a step, and the speed-up that the model expects, on rank 0; else [].

    Rank 0 times a few steps of the whole batch, and all of them what it takes to add up arrays. Nothing is written.
    """
    train = limited(load_data(config)[0], config.limit_train)
    config, model, _ = start(config, None, train)
    image, batch = train.images.shape[1:], min(config.batch_size, len(train))
    links: tuple[Link, ...] = LINKS
    if ranks.size > 1:
        links = (fit(reductions(ranks, SIZES), ranks.size)[0], *LINKS)
    found = []
    if ranks.rank == 0:
        buckets = cut(layers_of(model, image))
        sent = sum(t.data.nbytes for _, t in model.tensors() if t.data.dtype.kind == "f")
        seconds = float(np.median(step_times(Trainer(model, image, batch, ranks.threads), 5, 3.0)))
        work = Work(f"{config.model} on {train.name}", batch, seconds, buckets)
        found = lines(work, len(train), sent, ranks.size, links)
    ranks.gather([])  # the others wait for the times of rank 0
    return found


def lines(work: Work, images: int, sent: float, size: int, links: Sequence[Link]) -> list[str]:
    """The sentences of :func:`forecast`. images: in an epoch   sent: bytes of gradients and running statistics"""
    batches, last = -(-images // work.images), images % work.images
    found = [f"{_ranks(size)}, {work.name}: {images:,} images, {batches:,} steps an epoch"]
    for count, words in ((work.images, "a batch"), (last, "the last batch")):
        if count:
            found.append(f"of {words} of {count}: {_shares(count, size)}")
    out = 2 * (size - 1) / size * sent
    found.append(
        f"{sent / 1e6:.2f} MB of gradients and running statistics a step, gradients in {len(work.buckets)} messages "
        f"while backward goes on; {out / 1e6:.2f} MB go out from each rank"
    )
    found.append(f"one rank here takes {_ms(work.seconds)} for a step")
    for link in links:
        rate, one = (images_a_second(work, k, link, shared=True) for k in (size, 1))
        half, most = limits(work, link, shared=True)
        seconds = step_seconds(work.share(size), min(size, work.images), link)
        ends = f"below half of that each from {half} ranks" if half else "more than half of that each up to 1,024"
        found.append(
            f"by {link.name} ({1e6 * link.latency:.3g} us, {link.bandwidth / 1e9:.3g} GB/s): {_ms(seconds)} a step, "
            f"{rate / one:.2f} times as many images a second as one rank; {ends}"
            + (f", no faster beyond {most}" if most else "")
        )
    return found


def _ranks(size):
    return f"{size} rank{'' if size == 1 else 's'}"


def _ms(seconds):
    return f"{1e3 * seconds:.3g} ms"


def _shares(count, size):
    """Which rank gets how many: the first ones have one more, as :meth:`~minires.train.ranks.Ranks.share` has it."""
    least, more = divmod(count, size)
    groups = [(0, more, least + 1), (more, size, least)]
    words = [
        f"{'rank' if stop - start == 1 else 'ranks'} {start}{'' if stop - start == 1 else f' to {stop - 1}'} "
        f"{number} image{'' if number == 1 else 's'}{'' if stop - start == 1 else ' each'}"
        for start, stop, number in groups
        if stop > start
    ]
    return ", ".join(words)
