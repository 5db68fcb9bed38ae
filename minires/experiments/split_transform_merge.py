"""Three ways to write a block of ResNeXt are one function; the groups of Res2Net see parts of growing size."""

import numpy as np

from .. import models
from ..layers import BatchNorm2d, Conv2d, Res2
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="A block of ResNeXt as a sum of paths, as paths that are concatenated, and as a grouped convolution are "
    "equivalent; the groups of Res2Net have receptive fields of growing size.",
    article="ResNeXt and the two versions of ResNet, equivalent forms",
    paper="Xie et al. 2017, section 3.3; Gao et al. 2019, section 3.1",
)
FORMS = ("concat", "sum")
FIELDS = (1, 3, 5, 7)  # rows behind so many convolutions
COUNTS = ("no", "one", "two", "three")
GROUPS, CHANNELS = 4, 8


def measure(seed, quick, lab):
    rng = np.random.default_rng(seed)
    return {
        "forms": forms(seed, rng),
        "own norms": own_norms(rng),
        "block-diagonal": block_diagonal(rng),
        "fields": fields(rng),
    }


def forms(seed, rng):
    """Largest difference of outputs and of input gradients from the grouped form, over the largest of its own."""
    x, dy, found = rng.standard_normal((2, 3, 16, 16)), rng.standard_normal((2, 10)), {}
    for form in ("grouped", *FORMS):
        net = models.build("resnext11_4x8d", form=form, rng=seed).to(dtype=np.float64)
        y, cache = net.forward(x, train=True)
        found[form] = y, net.backward(dy, cache)
    return {form: max(map(difference, found[form], found["grouped"])) for form in FORMS}


def own_norms(rng):
    """The same, where each path has a last batch norm of its own, before the sum instead of behind it."""
    paths = rng.standard_normal((GROUPS, 16, CHANNELS, 4, 4))
    norm = BatchNorm2d(CHANNELS).to(dtype=np.float64)
    behind = norm.forward(paths.sum(0), train=True)[0]
    return difference(sum(norm.forward(path, train=True)[0] for path in paths), behind)


def block_diagonal(rng):
    """A grouped convolution against a whole one, whose weights between groups are 0."""
    grouped, whole = (
        Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=groups, rng=rng).to(dtype=np.float64) for groups in (GROUPS, 1)
    )
    whole.weight.data[...] = 0
    for start in range(0, CHANNELS, CHANNELS // GROUPS):
        group = slice(start, start + CHANNELS // GROUPS)
        whole.weight.data[group, group] = grouped.weight.data[group]
    x = rng.standard_normal((2, CHANNELS, 6, 6))
    return difference(whole(x), grouped(x))


def fields(rng):
    """Rows of each group of the output that a pixel of the input changes; the last group has no convolution."""
    layer = Res2(*[Conv2d(1, 1, 3, padding=1, rng=rng) for _ in range(GROUPS - 1)]).to(dtype=np.float64)
    x = rng.standard_normal((1, GROUPS, 15, 15))
    pixel = np.zeros_like(x)
    pixel[:, :, 7, 7] = 1
    changed = (layer(x + pixel) != layer(x)).any(axis=(0, 3)).sum(axis=1)
    return [int(rows) for rows in np.roll(changed, 1)]


def difference(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def verdict(numbers):
    def values(key, of):
        return tuple(n[key][of] for n in numbers)

    return Verdict(
        (
            *(Check(f"difference of the form {form}", values("forms", form), at_most=1e-12) for form in FORMS),
            Check("where each path has a last norm of its own", tuple(n["own norms"] for n in numbers), at_least=0.1),
            Check("grouped - block-diagonal", tuple(n["block-diagonal"] for n in numbers), at_most=1e-12),
            *(
                Check(f"rows that a pixel reaches behind {count} convolutions", values("fields", i), rows, rows)
                for i, (count, rows) in enumerate(zip(COUNTS, FIELDS))
            ),
        ),
        "the last batch norm has to stand behind the sum of the paths, not in each of them",
    )


def draw(numbers, figure):
    axes = figure.subplots()
    axes.bar(COUNTS, numbers[0]["fields"])
    axes.set_xlabel("convolutions on the way")
    axes.set_ylabel("rows that a pixel reaches")


def without_addition_of_groups():
    """Each group of Res2Net sees its own channels alone."""

    def forward(self, x, train=False):
        *groups, last = np.split(x, len(self.functions) + 1, axis=1)
        ys = [function(group) for function, group in zip(self.functions.values(), groups)]
        return np.concatenate([*ys, last], axis=1), None

    return patched(Res2, forward=forward)


EXPERIMENT = Experiment(
    "split_transform_merge",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="HOLDS WITH A CONDITION",
    breaks={"groups of Res2Net that do not hear of each other": without_addition_of_groups},
)
