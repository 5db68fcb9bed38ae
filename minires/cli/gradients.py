"""minires trace, minires step."""

import functools
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import tyro
from tqdm import tqdm

from .. import data as data_sets
from .. import models as networks
from ..errors import RangeError
from ..files.whole import check_writable, write_atomically
from ..trace import Stepper, audit
from ..trace import trace as trace_gradient
from ..trace.first import first_in_words
from ..trace.report import as_dict, by_depth
from ..trace.said import fill
from ..trace.shell import run_shell
from ..trace.viewer import to_html
from ..trace.words import as_audit
from ..train import TrainConfig, load_model
from ..train.splits import load_split, require_classes, with_data
from .common import Json, Language, Number, Options, Part, Run, Text, given_options, print_json, spoken
from .terminal import width

OPEN = {"en": "to step through it, open {} in a browser", "zh": "用浏览器打开 {}，就可以一步一步看梯度如何传播"}
ABOUT = {"en": "{}, {} images of {}, {}, loss {:.4f}", "zh": "{}，{} 张 {} 的图片，{}，损失 {:.4f}"}
Page = Annotated[str | None, tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True)
class Subject:
    """A network and a batch of test images."""

    run: Run = None
    """Folder of a run, or its checkpoint; a network with fresh weights if not given."""

    model: str = "resnet20"
    """Name of a network with fresh weights."""

    block: Text = None
    """Where its activations stand; minires models names the kinds."""

    shortcut: Text = None
    """Kind of its shortcuts; minires models names them."""

    option: Options = ()
    """Any option of its family, such as dropout=0.3; may be given more than once."""

    data: Text = None
    """Data set of the images; that of the run, or fashion_mnist_12k."""

    data_dir: Text = None
    """Folder of its files; that of the run, or data."""

    image: Number = None
    """Rows and columns of the pictures of a folder; those of the run."""

    test_part: Part = None
    """Part of each class of a folder that is the test set; that of the run."""

    batch_size: int = 8
    """Test images in the batch."""

    dtype: Literal["float32", "float64"] = "float32"
    """Precision; float64 shows the sums to 15 digits."""

    seed: int = 0
    """Seed of fresh weights."""

    def load(self):
        """(name, network, Dataset of the batch, its images as the network takes them)."""
        network, checkpoint = self._trained() if self.run else (None, None)
        place = given_options(data=self.data, data_dir=self.data_dir, image=self.image, test_part=self.test_part)
        test = load_split(with_data(checkpoint.config if self.run else TrainConfig(), **place), "test")
        if not 1 <= self.batch_size <= len(test):
            raise RangeError(
                f"batch_size is {self.batch_size}, expected 1 to {len(test)}, the test images of {test.name}: change it"
            )
        if self.run:
            require_classes(test, checkpoint.data["classes"], self.run)
            name = f"{checkpoint.config.model}, trained for {checkpoint.position.epoch} epochs"
            normalize = checkpoint.normalize()
        else:
            name, network, normalize = self._fresh(test)
        batch = test.subset(slice(self.batch_size))
        return name, network.to(dtype=self.dtype), batch, normalize(batch.images, np.dtype(self.dtype))

    def _fresh(self, test):
        names = given_options(block=self.block, shortcut=self.shortcut)
        shape = {"num_classes": len(test.classes), "in_channels": test.images.shape[1]}
        network = networks.build(self.model, **shape, rng=self.seed, **networks.parse_options(self.option, **names))
        return ", ".join([self.model, *names.values(), *self.option]), network, data_sets.Normalize.of(test)

    def _trained(self):
        options = given_options(block=self.block, shortcut=self.shortcut, option=self.option or None)
        if options:
            raise RangeError(
                f"{' and '.join(options)} belong to a fresh network, {self.run} has its own: leave them out"
            )
        return load_model(self.run)


def trace(
    subject: Annotated[Subject, tyro.conf.arg(name="")] = Subject(),  # noqa: B008 (frozen)
    *,
    against: Text = None,
    html: Page = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Trace the gradient through a network: every term named, kept and added up.

    For example: minires trace --model resnet56 --against plain56 --html page.html

    Args:
        against: Name of another network with fresh weights, whose gradient by depth stands beside.
        html: Write a page to step through, in one file, for any browser.
        lang: Language of the report and the page: English or Chinese; MINIRES_LANG, or en, if not given.
    """
    language = spoken(lang)
    if html is not None:
        check_writable(html)
    name, network, batch, images = subject.load()
    ledger = trace_gradient(network, images, batch.labels)
    other = against and (against, trace_gradient(_alike(against, subject, ledger), images, batch.labels))
    options = {"name": name, "against": other, "classes": batch.classes}
    bar = functools.partial(tqdm, disable=None, leave=False, desc="paths by length", unit="block")
    if html is not None:
        page = to_html(as_dict(ledger, pictures=True, progress=bar, **options), language)
        write_atomically(html, page.encode())
    if as_json:
        return print_json(**as_dict(ledger, progress=bar, **options))
    columns = width(120)
    about = ABOUT[language].format(name, len(batch), batch.name, subject.dtype, ledger.loss)
    about, seen = (fill(text, columns) for text in (about, first_in_words(ledger, batch.classes, language)))
    print(f"{about}\n{seen}\n\n{ledger.table(width=columns, language=language)}")
    if other:
        print(fill(f"{against}: {by_depth(other[1], language)}", columns))
    if ledger.blocks:
        print(f"\n{as_audit(audit(ledger), columns, language)}")
    if html is not None:
        print(f"\n{OPEN[language].format(html)}")


def _alike(name, subject, ledger):
    """The network called ``name`` for the images and classes of a ledger, with fresh weights."""
    shape = {"in_channels": ledger.dx.shape[1], "num_classes": ledger.trunk.y.shape[1]}
    return networks.build(name, **shape, rng=subject.seed).to(dtype=subject.dtype)


def step(
    subject: Annotated[Subject, tyro.conf.arg(name="")] = Subject(model="resnet8", batch_size=4),  # noqa: B008 (frozen)
    *,
    lang: Language = None,
) -> None:
    """Step through a network layer by layer, forward and backward, as in a debugger.

    For example: minires step --model resnet8

    Args:
        lang: Language of what it says: English or Chinese; MINIRES_LANG, or en, if not given.
    """
    language = spoken(lang)
    _, network, batch, images = subject.load()
    run_shell(Stepper(network, images, batch.labels), language=language)
