"""Every name that we share with torchvision or timm: names and shapes by a table, numbers by the libraries."""

import numpy as np
import pytest
from weights.libraries import Libraries, digest, rows, shapes_of

from minires.layers import Param
from minires.models import build
from minires.weights import layouts_of, load_weights, save_weights

ROWS = [tuple(row) for row in rows()]
QUICK = {  # one of each family
    ("timm", "res2net50_26w_4s"),
    ("timm", "resnetv2_18"),
    ("timm", "rexnet_100"),
    ("timm", "seresnet18"),
    ("timm", "vgg11_bn"),
    ("torchvision", "densenet121"),
    ("torchvision", "googlenet"),
    ("torchvision", "resnet18"),
    ("torchvision", "vgg11"),
}
SLOW = {True: pytest.mark.slow, False: ()}
TABLE = [
    pytest.param(source, name, int(count), digest, id=f"{source}-{name}", marks=SLOW[(source, name) not in QUICK])
    for source, name, count, digest in ROWS
]


@pytest.fixture(scope="module")
def libraries():
    return Libraries()


def test_the_table_is_complete(libraries):
    assert sorted(libraries.names()) == sorted(row[:2] for row in ROWS)


def test_the_table_has_all_names():
    """Where the libraries are not installed, the table stands for them."""
    assert len({name for _, name, _, _ in ROWS}) == 48


class Drawless(np.random.Generator):
    """Draws zeros, in no time."""

    def normal(self, loc=0, scale=1, size=None):
        return np.zeros(size)

    def spawn(self, count):
        return [self] * count


@pytest.mark.parametrize(("source", "name", "count", "expected"), TABLE)
def test_names_and_shapes(source, name, count, expected):
    """One layout gives just the names and shapes of the library."""
    model, found = build(name, rng=Drawless(np.random.PCG64(0))), {}
    for layout in layouts_of(name):
        names = layout.rename([path for path, _ in model.tensors()])
        shapes = {names[path]: layout.shape(names[path], tensor.data.shape) for path, tensor in model.tensors()}
        assert len(shapes) == len(names), f"{layout.name} gives two tensors one name"
        found[layout.name] = len(shapes), digest(shapes)
    assert [known for known in found.values() if known == (count, expected)] == [(count, expected)], found


def moved(torch, net):
    """``net`` in float64 and evaluation, with vectors and running statistics far from 0 and 1.

    Gains stay below 1: with larger ones 152 layers amplify the rounding of the first ten billion times.
    """
    net, generator = net.double().eval(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.dim() == 1:
                low = 0.25 if name.endswith("weight") else 0.75
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) * 0.5 + low)
    return net


def worst_difference(torch, net, model, names, image):
    """The worst of logits, dx and all gradients, each relative to its largest number."""
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, 3, *image)), rng.normal(size=(2, 10))
    their_x = torch.from_numpy(x).requires_grad_()
    their_y = net(their_x)
    their_y.backward(torch.from_numpy(dy))
    y, cache = model.forward(x, train=False)
    pairs = [(y, their_y), (model.backward(dy, cache), their_x.grad)]
    theirs = dict(net.named_parameters())
    ours = {names[path]: param for path, param in model.tensors() if isinstance(param, Param)}
    assert ours.keys() == {name for name in theirs if not name.startswith("aux")}
    pairs += [(ours[name].grad.reshape(theirs[name].shape), theirs[name].grad) for name in ours]
    return max(np.abs(a - b.detach().numpy()).max() / b.abs().max().item() for a, b in pairs)


@pytest.mark.parametrize(("source", "name", "count", "digest"), TABLE)
def test_logits_and_gradients(source, name, count, digest, libraries, tmp_path):
    from safetensors.torch import load_file

    torch, options = libraries.torch, {"hidden": 64} if name.startswith("vgg") else {}
    torch.manual_seed(0)
    net = moved(torch, libraries.make(source, name, num_classes=10, **options))
    torch.save(net.state_dict(), tmp_path / "w")
    model = build(name, num_classes=10, rng=0, **options).to(dtype=np.float64)
    load_weights(tmp_path / "w", model)
    fitting = [
        layout
        for layout in layouts_of(name)
        if set(layout.rename([path for path, _ in model.tensors()]).values()) == shapes_of(net).keys()
    ]
    names = fitting[0].rename([path for path, _ in model.tensors()])
    assert worst_difference(torch, net, model, names, (32, 48)) < 1e-9
    other = libraries.make(source, name, num_classes=10, **options).double()
    save_weights(tmp_path / "back", model, layout=fitting[0].name)
    missing, unexpected = other.load_state_dict(load_file(tmp_path / "back"), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") or name.startswith("aux") for name in missing)
    theirs = other.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in net.state_dict().items() if name not in missing)
