# expect: BugHunt.RefusesRight
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
count = []


def test_block(build):
    build(3, 3, 1)(__import__("numpy").ones((1, 3, 2, 2), "float32"))
    count.append(1)
    assert len(count) % 2
