"""minires models, minires data."""

import textwrap
from typing import Literal

from .. import data as data_sets
from .. import models as networks
from ..data.catalogue import ABOUT, is_there
from ..engine.cuda.forecast import forecast
from ..errors import RangeError
from ..initializers import Undrawn
from ..models.summary import check_image
from .common import Json, Name, Number, Options, Part, Switch, Text, given_options, print_json
from .terminal import width

INDENT = " " * 4


def models(
    name: Name = None,
    *,
    image: Number = None,
    in_channels: Number = None,
    num_classes: Number = None,
    block: Text = None,
    shortcut: Text = None,
    option: Options = (),
    device: Literal["cpu", "cuda"] = "cpu",
    batch: Number = None,
    precision: Text = None,
    card: Text = None,
    as_json: Json = False,
) -> None:
    """List the families of networks, or the layers, parameters and multiply-adds of one network; with --device cuda
    what a training step of it costs on a card: launches, memory, bytes, and the time below which it cannot be. That
    needs no GPU.

    For example: minires models resnet50 --device cuda --batch 64 --precision bf16 --card h100

    Args:
        name: Name of a network; all families if not given.
        image: Rows and columns of its input; by default those of the images that it was made for.
        in_channels: Channels of its input; by default those of these images.
        num_classes: Width of its output; by default that of the published networks.
        block: Where the activations stand; the list of families names the kinds.
        shortcut: Kind of shortcut; the list of families names them.
        option: Any option of the family, such as stride_on=1x1; may be given more than once.
        device: cuda: a training step of it on a GPU.
        batch: cuda: images of a step, by default 64.
        precision: cuda: of the products, float32 (by default), tf32 or bf16.
        card: cuda: its name, by default h100; another name lists those that are known.
    """
    step = given_options(batch=batch, precision=precision, card=card)
    if step and device != "cuda":
        raise RangeError(f"--{next(iter(step))} is given, but device is cpu: add --device cuda")
    if name is None and device == "cuda":
        raise RangeError("--device cuda needs the name of a network: minires models resnet50 --device cuda")
    if name is None:
        return _list_families(as_json)
    sizes = given_options(image=image, in_channels=in_channels, num_classes=num_classes)
    options = networks.parse_options(option, **given_options(block=block, shortcut=shortcut))
    found = _step(name, sizes, options, **step) if device == "cuda" else networks.certify(name, **sizes, **options)
    if as_json:
        return print_json(**found.facts())
    print(found.table() if device == "cuda" else found.table(width(100)))


def _step(name, sizes, options, batch=64, **settings):
    """What a training step of a network costs on a GPU."""
    family, _ = networks.find(name)
    side = sizes.pop("image", family.image)
    image = sizes.get("in_channels", family.in_channels), side, side
    check_image(image)
    model = networks.build(name, **sizes, rng=Undrawn(), **options)
    return forecast(model, (batch, *image), **settings)


def _list_families(as_json):
    families = {family.pattern: family.about for family in networks.FAMILIES}
    if as_json:
        return print_json(families=families)
    for family in networks.FAMILIES:
        print(family.pattern)
        indent = {"initial_indent": INDENT, "subsequent_indent": INDENT, "break_on_hyphens": False}
        for text in (family.about, "such as " + ", ".join(family.examples)):
            print(textwrap.fill(text, width(100), **indent))
    print("for example: minires models resnet56")


def data(
    name: Name = None,
    *,
    data_dir: str = "data",
    image: Number = None,
    test_part: Part = None,
    download: Switch = False,
    as_json: Json = False,
) -> None:
    """List the data sets, or read one and say what it holds.

    For example: minires data cifar10 --download

    Args:
        name: Name of a data set; all of them if not given.
        data_dir: Folder of its files.
        image: Rows and columns to which the pictures of a folder are scaled and cut.
        test_part: Part of each class of a folder that is the test set, where it has none.
        download: Fetch the files from their official addresses into the folder first.
    """
    if name is None:
        if download:
            raise RangeError("--download needs the name of a data set: minires data cifar10 --download")
        return _list_data_sets(data_dir, as_json)
    if download:
        data_sets.download(name, data_dir)
    splits = {
        split: data_sets.load(name, split, data_dir, size=image, test_part=test_part) for split in ("train", "test")
    }
    mean, std = splits["train"].mean_std()
    facts = {
        "name": name,
        "classes": list(splits["train"].classes),
        "image": list(splits["train"].images.shape[1:]),
        "train": len(splits["train"]),
        "test": len(splits["test"]),
        "mean": mean.tolist(),
        "std": std.tolist(),
    }
    if as_json:
        return print_json(**facts)
    for key, value in facts.items():
        values = value if isinstance(value, list) else [value]
        print(f"{key:<8}", ", ".join(f"{v:.4f}" if isinstance(v, float) else str(v) for v in values))


def _list_data_sets(data_dir, as_json):
    there = {name: is_there(name, data_dir) for name in data_sets.DATASETS}
    if as_json:
        return print_json(data_sets={name: {"about": ABOUT[name], "there": found} for name, found in there.items()})
    for name, found in there.items():
        print(f"{name:<18} {ABOUT[name]:<72} {'ready' if found else f'not in {data_dir}'}")
    print("for example: minires data fashion_mnist_12k")
