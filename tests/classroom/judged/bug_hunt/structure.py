# expect: BugHunt.AlwaysRefuses
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
from minires.layers import ReLU, Residual


def test_block(build):
    kinds = [type(layer) for _, layer in build(3, 6, 2).walk()]
    assert Residual in kinds and ReLU in kinds
