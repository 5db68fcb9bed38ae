"""The JSON of a ledger: its keys, its numbers, its pictures, and no NaN."""

import base64
import json

import numpy as np
import pytest
from conftest import np_of
from oracles import trunks
from oracles.trunks import VARIANTS

from minires import models
from minires.layers import Linear, Residual
from minires.trace import audit, gradient_norms, path_lengths, telescope, trace
from minires.trace.report import as_dict

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
DY = RNG.standard_normal((4, trunks.CLASSES))
LABELS = np.array([0, 2, 1, 2])

KEYS = {
    "format",
    "version",
    "model",
    "dtype",
    "shape",
    "train",
    "loss",
    "closure_error",
    "telescope_error",
    "path_error",
    "branch_vjps",
    "identity_holds",
    "output_gradient_norm",
    "plain",
    "levels",
    "notes",
    "depth",
    "against",
    "first",
    "blocks",
    "forks",
    "paths",
}
FORK = {
    "path",
    "kind",
    "incoming_norm",
    "outgoing_norm",
    "terms",
    "shortcut_scaling",
    "residual_ratio",
    "cosine",
    "closure_error",
}
BLOCK = FORK | {
    "index",
    "at_fork_norm",
    "shape",
    "identity_norm",
    "identity_ratio",
    "local_norm",
    "total_norm",
    "breaks",
    "inside",
}


def no_constants(name):
    raise AssertionError(f"{name} is not JSON")


def read(text):
    return json.loads(text, parse_constant=no_constants)


def norm(a):
    return float(np.linalg.norm(a))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_numbers_are_those_of_the_ledger(name, train):
    ledger = trace(VARIANTS[name](), X, LABELS, train=train)
    found = read(ledger.to_json(name=name))
    lengths, n = path_lengths(ledger), len(ledger.blocks)
    assert found.keys() == KEYS
    assert (found["format"], found["version"], found["model"]) == ("minires trace", 1, name)
    assert (found["dtype"], found["shape"], found["train"]) == ("float64", [4, 2, 6, 6], train)
    assert (found["loss"], found["closure_error"]) == (ledger.loss, ledger.closure_error)
    sums = {form: telescope(ledger, form=form) for form in ("local", "total")}
    assert found["telescope_error"] == max(s.error for s in sums.values())
    assert (found["path_error"], found["branch_vjps"]) == (lengths.error, n * (n + 1) // 2)
    assert max(found[key] for key in ("closure_error", "telescope_error", "path_error")) < 1e-12
    assert found["identity_holds"] == audit(ledger).holds
    assert found["output_gradient_norm"] == pytest.approx(norm(ledger.g(n)), rel=1e-13)
    assert len(found["blocks"]) == n
    assert [fork["path"] for fork in found["forks"]] == [record.path for record in ledger.forks]
    assert found["paths"] == {
        "lengths": list(range(n + 1)),
        "counts": lengths.counts,
        "norms": lengths.norms,
        "projections": lengths.projections,
        "mean_length": lengths.mean_length,
    }
    for block, record in zip(found["blocks"], ledger.blocks):
        _check_block(block, record, sums, audit(ledger))
    for fork, record in zip(found["forks"], ledger.forks):
        assert fork.keys() == FORK
        _check_fork(fork, record)


def _check_block(block, record, sums, verdicts):
    assert block.keys() == BLOCK
    _check_fork(block, record)
    assert (block["index"], block["shape"]) == (record.index, list(record.outgoing.shape))
    assert block["at_fork_norm"] == pytest.approx(norm(record.fork.incoming), rel=1e-13)
    assert block["identity_norm"] == pytest.approx(norm(record.identity), rel=1e-13, abs=0)
    assert block["identity_ratio"] == record.identity_ratio
    for form in ("local", "total"):
        assert block[f"{form}_norm"] == pytest.approx(norm(sums[form].terms[record.path]), rel=1e-13, abs=0)
    assert block["breaks"] == [vars(b) | {"where": b.where} for b in verdicts.breaks[record.index]]


def _check_fork(fork, record):
    assert (fork["path"], fork["kind"]) == (record.path, record.kind)
    assert fork["incoming_norm"] == pytest.approx(norm(record.incoming), rel=1e-13)
    assert fork["outgoing_norm"] == pytest.approx(norm(record.outgoing), rel=1e-13)
    assert list(fork["terms"]) == list(record.terms)
    for name, term in record.terms.items():
        share = (term * record.outgoing).sum() / (record.outgoing**2).sum()
        assert fork["terms"][name] == pytest.approx({"norm": norm(term), "share": share}, rel=1e-9, abs=1e-15)
    assert sum(term["share"] for term in fork["terms"].values()) == pytest.approx(1, abs=1e-12)
    for key in ("shortcut_scaling", "residual_ratio", "cosine", "closure_error"):
        value = getattr(record, key)
        assert fork[key] == (value if np.isfinite(value) else None)


def test_the_model_has_its_class_for_a_name_unless_one_is_given():
    ledger = trace(VARIANTS["original A"](), X, dy=DY)
    assert as_dict(ledger)["model"] == "Sequential"
    assert as_dict(ledger)["loss"] is None


@pytest.mark.parametrize("scale", [0.0, np.nan, np.inf])
def test_no_nan_and_no_infinity(scale):
    with np.errstate(all="ignore"):
        ledger = trace(VARIANTS["full_preact exclusive-gate"](), X, dy=scale * DY)
        found = read(ledger.to_json(pictures=True))
    assert found["blocks"][0]["cosine"] is None
    assert found["blocks"][0]["pictures"]["backward"]["scale"] > 0
    assert found["paths"]["mean_length"] is None
    assert found["closure_error"] == (0.0 if scale == 0 else None)


def test_the_gradient_by_depth_beside_that_of_another_network():
    images = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)
    one, other = (trace(models.build(name, rng=0), images, np.arange(4)) for name in ("resnet14", "plain14"))
    found = as_dict(one, against=("plain14", other))
    convs = [path for path, layer in models.build("resnet14", rng=0).walk() if hasattr(layer, "weight")]
    assert [row["path"] for row in found["depth"]] == convs
    assert found["against"] == {"model": "plain14", "depth": as_dict(other)["depth"]}
    assert as_dict(one)["against"] is None
    norms = {norms.path: norms for norms in gradient_norms(models.build("plain14", rng=0), images, np.arange(4))}
    for row in found["against"]["depth"]:
        assert (row["dw"], row["dx"]) == (norms[row["path"]].params["weight"], norms[row["path"]].dx)
    first, last = [row["dw"] for row in found["against"]["depth"] if row["kind"] == "Conv2d"][:: len(convs) - 2]
    assert f"|dW| of the first convolution is {first / last:.3g} times that of the last" in other.table()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_inside_of_a_block_has_the_layers_of_its_ways_but_the_shortcut(name):
    ledger = trace(VARIANTS[name](), X, LABELS)
    norms = [(one.path, one.kind, one.dx) for one in gradient_norms(VARIANTS[name](), X, LABELS)]
    for block, record in zip(as_dict(ledger)["blocks"], ledger.blocks):
        ways = [f"{record.fork.path}.{way}" for way in record.terms if way != "shortcut"]
        wanted = [one for one in norms if any(one[0] == way or one[0].startswith(f"{way}.") for way in ways)]
        assert [tuple(one.values()) for one in block["inside"]] == wanted and wanted
        assert block["inside"][0].keys() == {"path", "kind", "dx"}


def picture(maps, name):
    one = maps["maps"][name]
    return np.frombuffer(base64.b64decode(one["data"]), np.int8).reshape(one["shape"]) * maps["scale"]


@pytest.mark.parametrize("name", ["original A", "original dropout", "full_preact B", "full_preact exclusive-gate"])
@pytest.mark.parametrize("train", [True, False])
def test_pictures_are_means_over_the_channels_of_the_first_image(name, train):
    model = VARIANTS[name]()
    ledger = trace(model, X, dy=DY, train=train)
    blocks = read(ledger.to_json(pictures=True))["blocks"]
    for block, record, on_trunk in zip(blocks, ledger.blocks, ledger.trunk.blocks):
        forward, backward = block["pictures"]["forward"], block["pictures"]["backward"]
        arrays = {"x": on_trunk.x, "y": on_trunk.y}
        arrays |= {"sum": on_trunk.post[0].x} if on_trunk.post else {}
        for way, array in arrays.items():
            assert np.abs(picture(forward, way) - array[0].mean(axis=0)).max() <= 0.5001 * forward["scale"]
        arrays = {"incoming": record.incoming, "outgoing": record.outgoing, **record.terms}
        arrays |= {"at_fork": record.fork.incoming} if on_trunk.post else {}
        assert backward["maps"].keys() == arrays.keys()
        for term, array in arrays.items():
            assert np.abs(picture(backward, term) - array[0].mean(axis=0)).max() <= 0.5001 * backward["scale"]
        assert max(np.abs(picture(backward, term)).max() for term in arrays) == pytest.approx(127 * backward["scale"])
        largest = max(np.abs(array[0].mean(axis=0)).max() for array in arrays.values())
        assert backward["deepest"] == pytest.approx(largest, rel=1e-13)


@pytest.mark.parametrize("train", [True, False])
def test_pictures_of_the_ways_add_up_to_their_sum(train):
    """Also where dropout draws: the masks are those of the trace."""
    model = trunks.blocks("full_preact", "dropout", n=3, changes=())
    ledger = trace(model, X, dy=DY, train=train)
    for block, on_trunk in zip(as_dict(ledger, pictures=True)["blocks"], ledger.trunk.blocks):
        forward = block["pictures"]["forward"]
        ways = picture(forward, "shortcut") + picture(forward, "branch")
        assert np.abs(ways - on_trunk.y[0].mean(axis=0)).max() <= 1.001 * forward["scale"]


def test_pictures_leave_the_trunk_as_it_was():
    ledger = trace(VARIANTS["original dropout"](), X, dy=DY)
    first = ledger.to_json(pictures=True)
    assert ledger.to_json(pictures=True) == first
    assert path_lengths(ledger).error < 1e-12


def test_pictures_of_features_are_rows():
    model = Residual(Linear(3, 3, rng=0).to(dtype=np.float64))
    ledger = trace(model, X[:, 0, 0, :3], dy=X[:, 1, 0, :3])
    forward = as_dict(ledger, pictures=True)["blocks"][0]["pictures"]["forward"]
    assert forward["maps"]["x"]["shape"] == [1, 3]
    assert np.abs(picture(forward, "x")[0] - X[0, 0, 0, :3]).max() <= 0.5001 * forward["scale"]


def test_progress_runs_through_the_blocks_of_both_sums_and_of_the_paths():
    seen = []
    as_dict(trace(VARIANTS["original A"](), X, dy=DY), progress=lambda blocks: seen.append(len(blocks)) or blocks)
    assert seen == [4, 4, 4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_on_every_backend(dtype, xp, device):
    model = VARIANTS["original B"]().to(device=device, dtype=dtype)
    ledger = trace(model, xp.asarray(X.astype(dtype)), xp.asarray(LABELS))
    found = read(ledger.to_json(pictures=True))
    assert found["dtype"] == np.dtype(dtype).name
    assert found["closure_error"] < (1e-6 if dtype == np.float32 else 1e-12)
    assert found["blocks"][2]["outgoing_norm"] == pytest.approx(norm(np_of(ledger.blocks[2].outgoing)), rel=1e-5)
