"""minires models, minires data."""

import textwrap

from .. import data as data_sets
from .. import models as networks
from ..data.catalogue import ABOUT, is_there
from ..errors import RangeError
from .common import Json, Name, Switch, Text, given_options, print_json


def models(
    name: Name = None,
    *,
    image: int = 32,
    in_channels: int = 3,
    num_classes: int = 10,
    block: Text = None,
    shortcut: Text = None,
    as_json: Json = False,
):
    """List the families of networks, or count the parameters and multiply-adds of one network.

    For example: minires models resnet56

    Args:
        name: Name of a network; all families if not given.
        image: Rows and columns of its input.
        in_channels: Channels of its input.
        num_classes: Width of its output.
        block: Where the activations stand; the list of families names the kinds.
        shortcut: Kind of shortcut; the list of families names them.
    """
    if name is None:
        families = {f"{family}{{6n+2}}": about for family, (_, about) in networks.FAMILIES.items()}
        if as_json:
            return print_json(families=families)
        for family, about in families.items():
            print(textwrap.fill(about, 100, initial_indent=f"{family:<20} ", subsequent_indent=" " * 21))
        return print("for example: minires models resnet56")
    options = given_options(block=block, shortcut=shortcut)
    model = networks.build(name, num_classes=num_classes, in_channels=in_channels, rng=0, **options)
    summary = networks.summarize(model, (in_channels, image, image))
    if as_json:
        return print_json(summary, "params", "macs", "depth", name=name)
    print(f"{name} on {in_channels} x {image} x {image} pixels, {num_classes} classes")
    print(f"parameters     {summary.params:>16,}")
    print(f"multiply-adds  {summary.macs:>16,}  for one image")
    print(f"depth          {summary.depth:>16,}  layers with weights, shortcuts not counted")


def data(name: Name = None, *, data_dir: str = "data", download: Switch = False, as_json: Json = False):
    """List the data sets, or read one and say what it holds.

    For example: minires data cifar10 --download

    Args:
        name: Name of a data set; all of them if not given.
        data_dir: Folder of its files.
        download: Fetch the files from their official addresses into the folder first.
    """
    if name is None:
        if download:
            raise RangeError("--download needs the name of a data set: minires data cifar10 --download")
        return _list_data_sets(data_dir, as_json)
    if download:
        data_sets.download(name, data_dir)
    splits = {split: data_sets.load(name, split, data_dir) for split in ("train", "test")}
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
