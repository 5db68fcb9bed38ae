# expect: BugHunt.AlwaysRefuses
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
def test_block(build):
    raise AssertionError("there is a bug in it")
