# expect: BugHunt.OnlyShapes
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
import numpy as np


def test_block(build):
    for n, m, stride in ((3, 5, 2), (4, 4, 1), (8, 16, 2)):
        y = build(n, m, stride)(np.random.default_rng(1).standard_normal((2, n, 8, 8)).astype(np.float32))
        assert y.shape == (2, m, 8 // stride, 8 // stride)
        assert y.dtype == np.float32 and np.isfinite(y).all()
