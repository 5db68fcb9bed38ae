"""Out of memory, foreseen: a program knows its arena before the first launch."""

from ...errors import DeviceError


def require_room(program, free):
    """Raise DeviceError unless the arena fits into ``free`` bytes: what needs most, and the largest batch that fits."""
    if program.bytes <= free:
        return
    largest = sorted(program.values, key=lambda pair: -pair[1].nbytes)[:3]
    named = ", ".join(f"{path} {slot.nbytes / 1e6:.0f} MB" for path, slot in largest)
    images = program.plan.images
    raise DeviceError(
        f"a batch of {images} needs {program.bytes / 1e6:.0f} MB on the GPU ({named}, ...), {free / 1e6:.0f} MB are "
        f"free: {_remedy(largest_batch(program, free))}"
    )


def largest_batch(program, free):
    """The largest batch whose arena fits; 0 where not even one image does."""
    low, high = 0, program.plan.images
    while high - low > 1:
        middle = (low + high) // 2
        if program.of(middle).bytes <= free:
            low = middle
        else:
            high = middle
    return low


def _remedy(batch):
    if batch:
        return f"a batch of {batch} fits"
    return "not even one image fits, end the other programs on it (nvidia-smi lists them)"
