# expect: BugHunt.OnlyShapes
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
import numpy as np

from minires import check_layer


def test_block(build):
    check_layer(lambda: build(2, 3, 2), np.random.default_rng(3).standard_normal((3, 2, 4, 4)))
