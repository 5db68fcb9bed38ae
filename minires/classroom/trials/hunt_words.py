"""What is said to who writes tests for a residual block, in English and in Chinese."""

CRITERIA = {
    "not_added": ("finding a shortcut that is not added", "发现捷径没有加上"),
    "no_relu": ("finding that the ReLU at the end is missing", "发现最后没有 ReLU"),
    "behind_pool": ("finding a shortcut behind a max-pool", "发现捷径取自最大池化之后"),
    "pool_for_stride": ("finding a max-pool in the place of the stride", "发现用最大池化代替步长"),
    "relu_before_add": ("finding a ReLU before the add", "发现相加之前多了一个 ReLU"),
}
IDEAS = {
    "BugHunt.AlwaysRefuses": (
        "Your tests refuse every block, right ones too: they say nothing about bugs.",
        "你的测试拒绝每一个块，正确的块也不例外：它没有说明任何错误。",
    ),
    "BugHunt.NeverRuns": (
        "Your tests run no block: they look at names and shapes of arrays, which all blocks share.",
        "你的测试没有运行任何块：它只看数组的名字与形状，而所有的块在这一点上都相同。",
    ),
    "BugHunt.OnlyShapes": (
        "Your tests see none of the silent bugs. Shapes are the same with them, and a gradient check holds backward "
        "against forward: where forward does another thing, backward is the derivative of that. Say what forward must "
        "compute.",
        "你的测试看不到任何一个无声的错误。形状不变；梯度检查只把反向与前向相比：前向做了别的事，反向就是那件事的导数。"
        "要说出前向应当算出什么。",
    ),
    "BugHunt.RefusesRight": (
        "Your tests refuse a right block. It may compute in another order, so that the last digits differ, and hold "
        "any numbers in its parameters.",
        "你的测试拒绝了一个正确的块。它可以按别的次序计算（最后几位数字会不同），参数也可以是任何数。",
    ),
    "BugHunt.InitialValues": (
        "Your tests refuse right blocks whose parameters or running statistics have left their first values: set what "
        "you rely on.",
        "你的测试拒绝了参数或滑动统计量已离开初值的正确的块：你依赖的值要自己设定。",
    ),
    "BugHunt.StrideOne": (
        "Your tests build blocks of stride 1 alone: what goes wrong where the images shrink is not seen.",
        "你的测试只用步长 1 的块：图像缩小处的错误看不到。",
    ),
    "BugHunt.ShortcutNotAdded": (
        "Not seen: the shortcut is not added. Where the branch gives zeros, the shortcut alone must come through.",
        "没有看到：捷径没有加上。当分支输出为零时，捷径应当独自通过。",
    ),
    "BugHunt.NoFinalReLU": (
        "Not seen: the ReLU at the end is missing. What must hold for every number of y?",
        "没有看到：最后缺少 ReLU。y 的每个数必须满足什么？",
    ),
    "BugHunt.ShortcutBehindPool": (
        "Not seen: the shortcut is taken behind a max-pool. A 1 x 1 convolution with stride 2 reads one pixel of four; "
        "the others cannot matter to it.",
        "没有看到：捷径取自最大池化之后。步长为 2 的 1 x 1 卷积四个像素只读一个，其余的对它没有影响。",
    ),
    "BugHunt.PoolForStride": (
        "Not seen: in the branch a max-pool stands in the place of the stride. Which pixels can the first convolution "
        "read if only one of its nine weights is not zero?",
        "没有看到：分支里用最大池化代替了步长。如果第一个卷积的九个权重只有一个不为零，它能读到哪些像素？",
    ),
    "BugHunt.ReLUBeforeAdd": (
        "Not seen: a ReLU before the add. The branch must be able to lower what the shortcut brings.",
        "没有看到：相加之前多了一个 ReLU。分支应当能够减小捷径带来的值。",
    ),
}
LINES = {
    "refused": ("On a right block your tests raise {}.", "在正确的块上，你的测试抛出了 {}。"),
    "ended": ("Your tests give no answer: {}.", "你的测试没有给出答案：{}。"),
    "crashes": (
        "Blocks that cannot even run pass your tests: {} of them.",
        "连运行都做不到的块通过了你的测试：{} 个。",
    ),
    "returns": (
        "Your tests return a value, which nobody looks at: a test fails by raising, as assert does.",
        "你的测试返回了一个值，而没有人看它：测试失败要抛出异常，就像 assert 那样。",
    ),
}
