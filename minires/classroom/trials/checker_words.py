"""What is said to who writes a checker of gradients, in English and in Chinese, and the layers that show it."""

CRITERIA = {
    "plain": ("mistakes that any check sees", "任何检查都能看到的错误"),
    "ones": ("mistakes that dy = 1 does not see", "dy 全为 1 时看不到的错误"),
    "squares": ("mistakes that the loss sum(y^2) does not see", "用损失 sum(y^2) 看不到的错误"),
    "kinks": ("layers with kinks", "带尖点的层"),
    "scale": ("very small and very large derivatives", "很小与很大的导数"),
    "entries": ("mistakes in a few entries", "只在少数分量上的错误"),
    "alone": ("x and dy left alone", "不改动 x 与 dy"),
}
IDEAS = {
    "Checker.AlwaysTrue": (
        "Your check says True to everything: it compares nothing.",
        "你的检查对一切都返回 True：它什么也没有比较。",
    ),
    "Checker.AlwaysFalse": (
        "Your check says False to everything, to right layers too.",
        "你的检查对一切都返回 False，正确的层也不例外。",
    ),
    "Checker.OnesAsDy": (
        "Your dy is the same number everywhere. That asks for the derivative of the plain sum of y: whatever leaves "
        "the sum as it is, such as an exchange of entries, or a softmax, whose rows add up to 1, is not seen.",
        "你的 dy 处处是同一个数。这只检查了 y 之和的导数：凡是不改变这个和的东西都看不到，"
        "例如分量的交换，或每行之和为 1 的 softmax。",
    ),
    "Checker.PositiveDy": (
        "No entry of your dy is negative: a backward that treats negative gradients in another way is not seen.",
        "你的 dy 没有负数：对负梯度区别对待的反向就看不到。",
    ),
    "Checker.OutputAsDy": (
        "Your dy is a multiple of y, as behind the loss sum(y^2). Where the length of y is fixed, as behind a "
        "normalisation, the true dx is then zero, and many a wrong one is zero, too.",
        "你的 dy 是 y 的倍数，就像在损失 sum(y^2) 之后。当 y 的长度固定时（例如归一化之后），"
        "真正的 dx 此时为零，而许多错误的 dx 也为零。",
    ),
    "Checker.AbsoluteTolerance": (
        "Your tolerance is a fixed number: next to tiny derivatives it forgives everything, next to huge ones it "
        "forgives not even rounding. Hold the difference against the size of what is compared.",
        "你的容差是一个固定的数：对很小的导数它什么都原谅，"
        "对很大的导数它连舍入误差都不原谅。应当把差与被比较的数的大小相比。",
    ),
    "Checker.LooseTolerance": (
        "Your tolerance forgives one part in a hundred; a difference of this kind is no rounding.",
        "你的容差原谅了百分之一的差：这样的差不是舍入误差。",
    ),
    "Checker.ZeroByZero": (
        "Where the derivative is zero, and dx is zero, your check does not say True: 0 / 0 is no number, and no "
        "comparison with it holds.",
        "当导数为零且 dx 也为零时，你的检查没有返回 True：0 / 0 不是数，与它的任何比较都不成立。",
    ),
    "Checker.KinkRefused": (
        "Your check refuses right layers whose x lies on a kink. There a difference on both sides measures the mean of "
        "two slopes; any of them may stand in dx. Ask at a point nearby, or accept either slope.",
        "你的检查拒绝了 x 落在尖点上的正确的层。在那里两侧的差分得到的是两个斜率的平均，"
        "而 dx 取其中任何一个都可以。换一个附近的点，或接受任一侧的斜率。",
    ),
    "Checker.KinkSkipped": (
        "Where x has entries on a kink, your check lets mistakes in the other entries pass.",
        "当 x 有分量落在尖点上时，你的检查放过了其他分量上的错误。",
    ),
    "Checker.SomeEntries": (
        "Your check does not look at all entries of dx: what is wrong in the last ones alone passes.",
        "你的检查没有看 dx 的全部分量：只在最后几个分量上的错误被放过了。",
    ),
    "Checker.DyChanged": (
        "A backward that writes into your dy passes: what you compare with has changed, too. Keep a copy.",
        "会写入你的 dy 的反向被放过了：你用来比较的东西也跟着变了。请保留一份副本。",
    ),
    "Checker.XChanged": (
        "A forward that writes into your x passes. Keep a copy, and compare.",
        "会写入你的 x 的前向被放过了。请保留一份副本并比较。",
    ),
}
LINES = {
    "no answer": (
        "In place of True or False there is {} (for {} of {} questions).",
        "应返回 True 或 False，得到的却是 {}（{} 次，共 {} 次提问）。",
    ),
    "counts": (
        "{}: {} of {} are accepted, and {} of {} right ones refused.",
        "{}：{} 个（共 {} 个）被接受，{} 个（共 {} 个）正确的被拒绝。",
    ),
    "smallest": ("The smallest layer that shows it:", "能显示这一点的最小的层："),
    "is wrong": (
        "check(forward, backward, x, rng) gives {}, and backward is wrong there.",
        "check(forward, backward, x, rng) 得到 {}，而这里的反向是错的。",
    ),
    "is right": (
        "check(forward, backward, x, rng) gives {}, and backward is right there.",
        "check(forward, backward, x, rng) 得到 {}，而这里的反向是对的。",
    ),
}
_ABSOLUTE = "lambda x: (x * np.sign(x.real), np.sign(x.real))"
_COPY = "lambda x: (1 * x, None)"
DEMOS = (  # (what it shows, forward, backward, x, whether backward is right)
    ("Checker.AlwaysTrue", "lambda x: (2 * x, None)", "lambda dy, cache: dy", [1.0], False),
    ("Checker.AlwaysFalse", "lambda x: (2 * x, None)", "lambda dy, cache: 2 * dy", [1.0], True),
    ("Checker.OnesAsDy", "lambda x: (x[::-1], None)", "lambda dy, cache: dy", [1.0, 2.0], False),
    ("Checker.PositiveDy", _COPY, "lambda dy, cache: abs(dy)", [1.0, 2.0], False),
    ("Checker.OutputAsDy", "lambda x: (1 * x, x)", "lambda dy, x: x * (dy @ x) / (x @ x)", [1.0, 2.0], False),
    ("Checker.AbsoluteTolerance", "lambda x: (1e-9 * x, None)", "lambda dy, cache: 0 * dy", [1.0], False),
    ("Checker.AbsoluteTolerance", "lambda x: (1e9 * x**3, x)", "lambda dy, x: 3e9 * x**2 * dy", [1.0], True),
    ("Checker.LooseTolerance", _COPY, "lambda dy, cache: 1.01 * dy", [1.0], False),
    ("Checker.ZeroByZero", "lambda x: (0 * x, None)", "lambda dy, cache: 0 * dy", [1.0], True),
    ("Checker.KinkRefused", "lambda x: (x * (x.real > 0), x.real > 0)", "lambda dy, mask: dy * mask", [0.0], True),
    ("Checker.KinkSkipped", _ABSOLUTE, "lambda dy, sign: dy", [0.0, -1.0], False),
    (
        "Checker.SomeEntries",
        _COPY,
        "lambda dy, cache: dy * (np.arange(len(dy)) < 7)",
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        False,
    ),
    ("Checker.DyChanged", _COPY, "lambda dy, cache: np.multiply(dy, 2, out=dy)", [1.0], False),
    (
        "Checker.XChanged",
        "lambda x: (1 * np.subtract(x, x.mean(), out=x), None)",
        "lambda dy, cache: dy - dy.mean()",
        [1.0, 2.0],
        False,
    ),
)
