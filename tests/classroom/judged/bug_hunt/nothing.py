# expect: BugHunt.NeverRuns
# wrong: behind_pool no_relu not_added pool_for_stride relu_before_add
def test_block(build):
    block = build(2, 4, 2)
    names = {name for name, _ in block.params()}
    assert {"conv1.weight", "conv2.weight", "shortcut.weight"} <= names
