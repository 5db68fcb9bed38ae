"""Names of other libraries: a network saved by PyTorch computes the same here, and the reverse; mismatches are told."""

import re

import numpy as np
import pytest
from weights.torch_models import NETWORKS, ResNet, akamaster, moved, torch

from minires.errors import CheckpointError, RangeError
from minires.layers import Linear, Sequential
from minires.models import build, certify
from minires.weights import LAYOUTS, build_with_weights, layouts_of, load_weights, read_weights, save_weights


def logits_of(net, x):
    with torch.no_grad():
        return net(torch.from_numpy(x)).numpy()


def image(size, seed=0):
    return np.random.default_rng(seed).normal(size=(2, 3, size, size)).astype(np.float32)


def some(*slow):
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in NETWORKS]


@pytest.mark.parametrize("name", some("wide_resnet50_2"))
def test_a_network_of_pytorch_computes_the_same_here(name, tmp_path):
    layout, make, size = NETWORKS[name]
    net, x = moved(make()), image(size)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    model, found = build_with_weights(name, tmp_path / "w.pth", num_classes=10)
    assert found.name == layout
    expected = logits_of(net, x)
    np.testing.assert_allclose(model(x), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_akamasters_network_with_projections(tmp_path):
    """Its option B, which no published file has: shortcut.0 is the convolution, shortcut.1 the batch norm."""
    net, x = moved(ResNet((2, 2, 2), small=True, head="linear", shortcut="shortcut")), image(16)
    torch.save(net.state_dict(), tmp_path / "w.th")
    model, layout = build_with_weights("resnet14", tmp_path / "w.th", shortcut="B")
    assert layout.name == "akamaster"
    np.testing.assert_allclose(model(x), logits_of(net, x), rtol=1e-4, atol=1e-4)


def test_the_normalisation_of_the_libraries():
    """torchvision's and timm's constants for ImageNet, which akamaster has too; other small networks have their own."""
    imagenet, half = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5,) * 3,) * 2
    of = {layout.name: (layout.mean, layout.std) for layout in LAYOUTS}
    assert {name for name, found in of.items() if found == (None, None)} == {
        "minires",
        "chenyaofo",
        "moskomule",
        "xternalz",
    }
    assert [name for name, found in of.items() if found == half] == ["torchvision-googlenet"]
    assert all(found in (imagenet, half, (None, None)) for found in of.values())


@pytest.mark.parametrize("name", some("wide_resnet50_2", "resnet50", "resnext50_32x4d"))
def test_what_minires_exports_pytorch_loads(name, tmp_path):
    load_file = pytest.importorskip("safetensors.torch").load_file

    layout, make, size = NETWORKS[name]
    options = next(known.options for known in LAYOUTS if known.name == layout)
    model, x = build(name, num_classes=10, rng=3, **options), image(size)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data[...] = rng.uniform(0.75, 1.25, tensor.data.shape)
    save_weights(tmp_path / "w.safetensors", model, layout=layout)
    net = make().eval()
    net.load_state_dict(load_file(tmp_path / "w.safetensors"))
    expected = logits_of(net, x)
    np.testing.assert_allclose(model(x), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    other, found = build_with_weights(name, tmp_path / "w.safetensors", num_classes=10)
    assert found.name == layout
    for (path, a), (_, b) in zip(model.tensors(), other.tensors()):
        assert (a.data == b.data).all(), path


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_no_two_tensors_get_one_name(layout):
    others = ("resnet110", "res2net50_26w_4s", "rexnet_100", "densenet121", "googlenet", "vgg11")
    names = [name for name in (*NETWORKS, *others) if layout in layouts_of(name)]
    assert names
    for name in names[:2]:
        model = build(name, rng=None, **layout.options)
        paths = [path for path, _ in model.tensors()]
        assert len(set(layout.rename(paths).values())) == len(paths)


def saved(net, path, **wrap):
    state = net.state_dict()
    torch.save({"state_dict": state, **wrap} if wrap else state, path)
    return path


WRAPPED = {
    "DataParallel": lambda state: {f"module.{name}": t for name, t in state.items()},
    "torch.compile": lambda state: {f"_orig_mod.{name}": t for name, t in state.items()},
    "both": lambda state: {f"module._orig_mod.{name}": t for name, t in state.items()},
    "checkpoint": lambda state: {"epoch": 3, "best": 0.9, "state_dict": state, "args": None},
    "best as a tensor": lambda state: {"best": torch.ones(()), "model": state, "optimizer": {0: {"step": 1}}},
    "twice": lambda state: {"model": {"state_dict": state}},
    "Lightning": lambda state: {"state_dict": {f"model.{name}": t for name, t in state.items()}, "epoch": 1},
    "a plain dict": dict,
    "parameters": lambda state: {name: torch.nn.Parameter(t, t.is_floating_point()) for name, t in state.items()},
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("zipped", [True, False])
def test_wrappers(kind, zipped, tmp_path):
    net = moved(akamaster(8))
    torch.save(WRAPPED[kind](net.state_dict()), tmp_path / "w", _use_new_zipfile_serialization=zipped)
    model = build("resnet8", shortcut="A-both", rng=0)
    load_weights(tmp_path / "w", model)
    x = image(8)
    np.testing.assert_allclose(model(x), logits_of(net, x), rtol=1e-4, atol=1e-5)


def refused(path, model, **options):
    before = [(name, tensor.data.copy()) for name, tensor in model.tensors()]
    with pytest.raises(CheckpointError) as error:
        load_weights(path, model, **options)
    for (name, values), (_, tensor) in zip(before, model.tensors()):
        assert (values == tensor.data).all(), f"{name} has changed"
    return str(error.value)


def test_all_differences_at_once(tmp_path):
    net = akamaster(8)
    state = net.state_dict()
    state["linear2.weight"] = torch.zeros(2, 3)
    del state["layer1.0.bn2.running_mean"]
    state["conv1.weight"] = torch.zeros(16, 1, 3, 3)
    torch.save(state, tmp_path / "w")
    text = refused(tmp_path / "w", build("resnet8", rng=0))
    assert f"{tmp_path}/w does not fit: 3 differences, expected none, by the names of akamaster:" in text
    assert "\n  missing in the file: layer1.0.bn2.running_mean (16,) float32" in text
    assert "\n  unknown to the model: linear2.weight (2, 3) float32" in text
    assert "\n  conv1.weight: (16, 1, 3, 3) float32 in the file, (16, 3, 3, 3) float32 in the model" in text


# tensors beside those of the network: name, shape, is it left out
BESIDE = {
    "criterion.weight": ((10,), True),
    "total_ops": ((1,), True),
    "conv1.total_ops": ((1,), True),
    "layer1.0.total_params": ((), True),
    "temperature": ((), True),
    "train_acc.total": ((), True),
    "aux.fc.weight": ((3, 2), True),
    "layer4.0.conv1.weight": ((3, 2), False),
    "layer1.1.conv1.weight": ((3, 2), False),
    "bn2.weight": ((16,), False),
    "conv1.bias": ((16,), False),
    "linear.scale": ((2,), False),
    "bn1.extra": ((), True),
}


@pytest.mark.parametrize("name", BESIDE)
def test_tensors_outside_the_network_are_noted(name, tmp_path):
    shape, left_out = BESIDE[name]
    torch.save(akamaster(8).state_dict() | {name: torch.zeros(shape)}, tmp_path / "w")
    model = build("resnet8", rng=0)
    if not left_out:
        assert f"1 differences, expected none, by the names of akamaster:\n  unknown to the model: {name}" in refused(
            tmp_path / "w", model
        )
        return
    origin = load_weights(tmp_path / "w", model)
    assert origin.left_out == (name,)
    assert origin.words() == f"names of akamaster; 1 left out, which the network has not ({name})"


HINTS = {
    "classes": (lambda: akamaster(8, 100), {}, "seems to be for 100 classes"),
    "no shortcut weights": (lambda: akamaster(8), {"shortcut": "B"}, "build the model with shortcut='A' or 'A-both'"),
    "shortcut weights": (lambda: ResNet((1, 1, 1), small=True), {}, "build the model with shortcut='B' or 'C'"),
    "depth": (lambda: akamaster(14), {}, "another depth or another kind of block"),
    "ImageNet": (lambda: ResNet((2, 2, 2, 2)), {}, "ImageNet, .* timm's resnet26 and resnet200 are other networks"),
}


@pytest.mark.parametrize("kind", HINTS)
def test_hints(kind, tmp_path):
    make, options, hint = HINTS[kind]
    text = refused(saved(make(), tmp_path / "w"), build("resnet8", rng=0, **options))
    assert re.search(hint, text.splitlines()[-1])


def test_the_names_inside_the_files_of_densenet(tmp_path):
    """They are those of the library with a dot before the last number: norm.1 for norm1."""
    model, other = (build("densenet121", num_classes=2, rng=seed) for seed in (0, 1))
    save_weights(tmp_path / "w", model, layout="torchvision-densenet")
    rule = r"(denselayer\d+\.(?:norm|conv))(\d)"
    arrays = {re.sub(rule, r"\1.\2", name): array for name, array in read_weights(tmp_path / "w").items()}
    assert "features.denseblock4.denselayer16.norm.2.running_var" in arrays
    np.savez(tmp_path / "w.npz", **arrays)
    assert load_weights(tmp_path / "w.npz", other).name == "torchvision-densenet-files"
    assert all((a.data == b.data).all() for (_, a), (_, b) in zip(model.tensors(), other.tensors()))


PREFIXES = (
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
    "backbone.",
    "student.",
    "module.encoder.",
    "module.module.",
    "_orig_mod.module.",
    "model._orig_mod.",
    "any.thing.0.",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix(prefix, tmp_path):
    net = moved(akamaster(8))
    state = {f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save(state | {"criterion.weight": torch.zeros(10)}, tmp_path / "w")
    model, origin = build_with_weights("resnet8", tmp_path / "w")
    np.testing.assert_allclose(model(image(8)), logits_of(net, image(8)), rtol=1e-4, atol=1e-5)
    assert (origin.name, origin.prefix, origin.left_out) == ("akamaster", prefix, ("criterion.weight",))
    assert f"; prefix {prefix} taken off; 1 left out" in origin.words()


def test_a_prefix_does_not_hide_what_differs(tmp_path):
    state = {f"backbone.{name}": tensor for name, tensor in akamaster(8, 100).state_dict().items()}
    torch.save(state, tmp_path / "w")
    text = refused(tmp_path / "w", build("resnet8", rng=0))
    assert "2 differences, expected none in backbone, by the names of akamaster" in text
    assert "seems to be for 100 classes" in text


def test_the_certificate_tells_of_other_networks_of_one_name():
    for name in ("resnet26", "resnet200"):
        assert any("timm's resnet26 and resnet200 are other networks" in note for note in certify(name, image=32).notes)


def test_hint_at_another_network(tmp_path):
    torch.save({"a.b": torch.zeros(3)}, tmp_path / "w")
    assert "hardly a name fits" in refused(tmp_path / "w", build("resnet8", rng=0))


def test_a_layout_can_be_asked_for(tmp_path):
    saved(akamaster(8), tmp_path / "w")
    model = build("resnet8", rng=0)
    load_weights(tmp_path / "w", model, layout="akamaster")
    refused(tmp_path / "w", model, layout="minires")
    with pytest.raises(RangeError, match="layout is 'caffe', expected one of minires, torchvision"):
        load_weights(tmp_path / "w", model, layout="caffe")


def two(kind, one, other):
    prefixed = {f"student.{name}": t for name, t in one.items()} | {f"teacher.{name}": t for name, t in other.items()}
    return {
        "entries": {"student": one, "teacher": other, "epoch": 3},
        "prefixes": prefixed,
        "prefixes in an entry": {"state_dict": prefixed, "epoch": 3},
    }[kind]


@pytest.mark.parametrize("kind", ["entries", "prefixes", "prefixes in an entry"])
def test_of_several_that_fit_none_is_taken_in_silence(kind, tmp_path):
    nets = [moved(akamaster(8), seed) for seed in (0, 1)]
    torch.save(two(kind, *(net.state_dict() for net in nets)), tmp_path / "w")
    start = "state_dict." if kind == "prefixes in an entry" else ""
    model = build("resnet8", shortcut="A-both", rng=0)
    found = f"holds several sets of weights that fit: '{start}student', '{start}teacher': choose one with entry="
    assert found in refused(tmp_path / "w", model)
    for name, net in zip(("student", "teacher"), nets):
        for entry in {name, start + name}:
            origin = load_weights(tmp_path / "w", model, entry=entry)
            np.testing.assert_allclose(model(image(8)), logits_of(net, image(8)), rtol=1e-4, atol=1e-5)
            assert f"{origin.entry}.{origin.prefix}".strip(".") == start + name
    assert "has no entry 'nobody', expected one of" in refused(tmp_path / "w", model, entry="nobody")


def test_a_layout_that_gives_two_tensors_one_name(tmp_path):
    model = Sequential(stage1=Linear(2, 2, rng=0), layer1=Linear(2, 2, rng=0))
    save_weights(tmp_path / "w", model)
    assert load_weights(tmp_path / "w", model).name == "minires"
    assert "one name to two tensors of this model: leave layout out" in refused(
        tmp_path / "w", model, layout="torchvision"
    )


def test_a_model_without_tensors_takes_none(tmp_path):
    save_weights(tmp_path / "w", Linear(2, 2, rng=0))
    assert "unknown to the model: weight (2, 2) float32" in refused(tmp_path / "w", Sequential())


def test_of_several_sets_the_one_that_fits_is_taken(tmp_path):
    one, big = akamaster(8).state_dict(), akamaster(14).state_dict()
    torch.save({"generator": one, "losses": {"train": torch.zeros(9)}, "big": big}, tmp_path / "w")
    assert load_weights(tmp_path / "w", build("resnet8", rng=0)).words() == "names of akamaster; entry generator"
    with pytest.raises(CheckpointError, match="several sets of weights, expected entry to be one of 'generator', 'los"):
        read_weights(tmp_path / "w")
    assert read_weights(tmp_path / "w", entry="losses")["train"].shape == (9,)
    assert "in big, by the names of" in refused(tmp_path / "w", build("resnet8", rng=0), entry="big")


def test_an_entry_that_is_one_list_further_down(tmp_path):
    torch.save([3, {"net": akamaster(8).state_dict()}], tmp_path / "w")
    assert load_weights(tmp_path / "w", build("resnet8", rng=0)).entry == "1.net"


def test_names_of_the_file_are_printed_safely(tmp_path):
    torch.save({"\x1b[31m\n": torch.zeros(1), "x" * 10_000: torch.zeros(1)}, tmp_path / "w")
    text = refused(tmp_path / "w", build("resnet8", rng=0))
    assert "\x1b" not in text and "x" * 200 not in text


def test_long_lists_are_cut(tmp_path):
    torch.save({f"weight{i}": torch.zeros(2) for i in range(1000)}, tmp_path / "w")
    text = refused(tmp_path / "w", Linear(2, 2, rng=0))
    assert "1002 differences" in text and "and 602 more" in text


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite(tmp_path, value):
    weight = torch.zeros(2, 2, dtype=torch.float64)
    weight[0, 1] = value
    torch.save({"weight": weight, "bias": torch.zeros(2)}, tmp_path / "w")
    assert "weight: 1 of 4 values are NaN or infinite as float32" in refused(tmp_path / "w", Linear(2, 2, rng=0))


def test_a_late_nan_leaves_what_comes_before_it_unloaded(tmp_path):
    torch.save({"weight": torch.ones(2, 2), "bias": torch.tensor([0, torch.nan])}, tmp_path / "w")
    assert "bias: 1 of 2 values are NaN" in refused(tmp_path / "w", Linear(2, 2, rng=0))


def test_integers_are_no_weights(tmp_path):
    torch.save({"weight": torch.zeros(2, 2, dtype=torch.int64), "bias": torch.zeros(2)}, tmp_path / "w")
    assert "weight: (2, 2) int64 in the file, (2, 2) float32 in the model" in refused(
        tmp_path / "w", Linear(2, 2, rng=0)
    )


def test_weights_go_to_the_device_and_type_of_the_model(tmp_path, xp, device):
    torch.save({"0.weight": torch.arange(4.0).reshape(2, 2), "0.bias": torch.ones(2)}, tmp_path / "w")
    model = Sequential(Linear(2, 2, rng=0)).to(device=device, dtype=np.float64)
    held = model[0].weight.data
    load_weights(tmp_path / "w", model)
    assert held is model[0].weight.data and held.dtype == np.float64
    assert xp.asarray(held).sum() == 6
    save_weights(tmp_path / "out", model, layout="minires")
    assert read_weights(tmp_path / "out")["0.weight"].tolist() == [[0, 1], [2, 3]]


def test_export_refuses_two_tensors_of_one_name(tmp_path):
    model = Sequential(stage1=Linear(2, 2, rng=0), layer1=Linear(2, 2, rng=0))
    with pytest.raises(CheckpointError, match="cannot hold layer1.weight as layer1.weight, two tensors have this name"):
        save_weights(tmp_path / "w", model, layout="torchvision")
    assert not list(tmp_path.iterdir())


def test_export_refuses_other_types(tmp_path):
    model = Linear(2, 2, rng=0)
    model.bias.data = np.zeros(2, np.complex128)
    with pytest.raises(CheckpointError, match="cannot hold bias of dtype complex128, expected one of"):
        save_weights(tmp_path / "w", model, layout="minires")
    assert not list(tmp_path.iterdir())
