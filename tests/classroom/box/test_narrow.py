"""A box with minires reads its layers, and the rest where a submission asks for it: what is imported is the same."""

import pytest
from classroom.box.boxes import boxes

from minires.classroom.box import TRUST, Box
from minires.classroom.box.inside.narrow import asks_for_more

LAYERS = [
    "import numpy as np",
    "'minires has more'\nfrom minires.layers import Conv2d, ReLU  # not minires.gradcheck",
    "def f():\n  from minires.layers.norm import BatchNorm2d",
    "import minires.layers.conv as c",
]
MORE = [
    "import minires",
    "import minires.layers",  # binds minires
    "from minires import check_layer",
    "def f():\n  def g():\n    from minires.gradcheck import gradcheck",
    "import importlib\nm = importlib.import_module('minires')",
    "__import__('minires').check_layer",
    "import sys\nsys.modules['minires'].check_layer",
    "exec('import minires')",
]


@pytest.mark.parametrize("source", LAYERS + MORE)
def test_what_a_submission_asks_for(source):
    assert asks_for_more(compile(source, "submission.py", "exec")) == (source in MORE)


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
def test_all_of_it_is_there_where_it_is_asked_for(tier):
    source = "import minires\nfrom minires.layers import Layer\nfrom minires import gradcheck\n"
    source += "def names(): return sorted(minires.__all__)\n"
    source += "def same(): return [minires.layers.Layer is Layer, minires.gradcheck is gradcheck, minires.ops.__name__]"
    with Box(tier(), minires=True) as box:
        box.load(source)
        assert "check_layer" in box.call("names")
        assert box.call("same") == [True, True, "minires.ops"]


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
def test_layers_alone_are_layers(tier):
    with Box(tier(), minires=True) as box:
        box.load("from minires.layers import ReLU\nimport numpy as np\ndef f(): return ReLU()(np.array([-1.0, 2.0]))")
        assert box.call("f").tolist() == [0, 2]
