"""torchvision and timm themselves, where they are installed, and the table of the names that they share with us."""

import hashlib
from pathlib import Path

import pytest

from minires.errors import RangeError
from minires.models import find

# source, name, number of tensors, SHA-256 of their names and shapes; written by `python tests/weights/libraries.py`
TABLE = Path(__file__).with_name("shared_names.txt")
OTHER_NETWORKS = ("resnet26", "resnet200")  # of timm: networks for ImageNet, ours are for small images
PASSED_OVER = ("num_batches_tracked", "aux")  # in no network of ours: counters, and GoogLeNet's classifiers at the side


def rows():
    return [line.split() for line in TABLE.read_text().splitlines()]


def digest(shapes):
    """SHA-256 of {name: shape}."""
    return hashlib.sha256("\n".join(f"{name} {tuple(shapes[name])}" for name in sorted(shapes)).encode()).hexdigest()


def shapes_of(net):
    return {
        name: tuple(tensor.shape)
        for name, tensor in net.state_dict().items()
        if not name.startswith(PASSED_OVER[1]) and not name.endswith(PASSED_OVER[0])
    }


class Libraries:
    """Makes their networks. torchvision's compiled operators, which no network needs, may be of another build than
    PyTorch; then those that it describes as it is imported are declared here."""

    def __init__(self):
        self.torch = pytest.importorskip("torch")
        self.torch.set_num_threads(1)  # the images are tiny
        self.operators = self.torch.library.Library("torchvision", "FRAGMENT")
        try:
            pytest.importorskip("torchvision")
        except RuntimeError:
            for name in ("nms", "qnms"):
                self.operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        self.torchvision, self.timm = pytest.importorskip("torchvision"), pytest.importorskip("timm")

    def names(self):
        """(source, name) of all that both they and we have."""
        found = [("timm", name) for name in self.timm.list_models()]
        found += [("torchvision", name) for name in self.torchvision.models.list_models()]
        return [row for row in found if row[1] not in OTHER_NETWORKS and is_ours(row[1])]

    def make(self, source, name, **settings):
        """The network with random weights; VGG with narrow linear layers where ``hidden`` is given."""
        hidden, nn = settings.pop("hidden", None), self.torch.nn
        if source == "timm":
            net = self.timm.create_model(name, **settings)
        else:
            settings |= {"init_weights": False} if name == "googlenet" else {}
            net = self.torchvision.models.get_model(name, **settings)
        if hidden and source == "timm":
            net.pre_logits.fc1, net.pre_logits.fc2 = nn.Conv2d(512, hidden, 7), nn.Conv2d(hidden, hidden, 1)
            net.head.fc = nn.Linear(hidden, settings["num_classes"])
        elif hidden:
            net.classifier[0], net.classifier[3] = nn.Linear(25088, hidden), nn.Linear(hidden, hidden)
            net.classifier[6] = nn.Linear(hidden, settings["num_classes"])
        return net


def is_ours(name):
    try:
        return bool(find(name))
    except RangeError:
        return False


if __name__ == "__main__":
    libraries, lines = Libraries(), []
    for source, name in sorted(libraries.names()):
        with libraries.torch.device("meta"):
            shapes = shapes_of(libraries.make(source, name))
        lines.append(f"{source} {name} {len(shapes)} {digest(shapes)}\n")
    TABLE.write_text("".join(lines))
