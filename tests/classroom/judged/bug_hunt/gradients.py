# expect: BugHunt.OnlyShapes
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
import numpy as np

from minires import gradcheck


def test_block(build):
    gradcheck(build(2, 3, 2), np.random.default_rng(2).standard_normal((2, 2, 4, 4)))
