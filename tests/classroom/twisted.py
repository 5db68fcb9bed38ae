"""Right functions for the twisted definitions, written by hand: a solution of the course with what is other in it.

{name of the class of the twist: [(old, new), ...]}; A and B stand for the constants
"""

SOLUTIONS = {
    "Centred": [
        ("y = np.matmul(x, weight.T)", "x = x - A * x.mean(axis=1, keepdims=True)\n    y = np.matmul(x, weight.T)"),
        (
            "return np.matmul(dy, weight),",
            "dx = np.matmul(dy, weight)\n    dx = dx - A * dx.sum(axis=1)[:, None] / x.shape[1]\n    return dx,",
        ),
    ],
    "Scaled": [("np.maximum(x, 0), x > 0", "A * np.maximum(x, 0), x > 0"), ("dy * cache", "A * dy * cache")],
    "Tempered": [
        ("shifted = logits", "logits = B * logits\n    shifted = logits"),
        ("return dlogits / len(labels)", "return dlogits * B / len(labels)"),
    ],
    "CentredFilters": [
        (
            "border = (padding, padding)",
            "weight = weight - A * weight.mean(axis=(1, 2, 3))[:, None, None, None]\n    border = (padding, padding)",
        ),
        (
            "dpadded = np.zeros_like",
            "dweight = dweight - A * dweight.mean(axis=(1, 2, 3))[:, None, None, None]\n    dpadded = np.zeros_like",
        ),
    ],
    "MeanDeviation": [
        ("x.var(axis=(0, 2, 3))", "0"),
        (
            "m = x.size // x.shape[1]\n        running_mean",
            "var = (A * abs(x - channels(mean)).mean(axis=(0, 2, 3))) ** 2\n        running_mean",
        ),
        ("0.1 * var * m / (m - 1)", "0.1 * var"),
        (
            "direct = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]",
            "sign = np.where(x_hat > 0, 1.0, -1.0) * (x_hat != 0)\n"
            "        deviation = A * abs(x_hat).mean(axis=axes)\n"
            "        through = A * deviation * dgamma / m\n"
            "        direct = dy - (dbeta / m)[:, None, None]\n"
            "        direct -= (sign - sign.mean(axis=axes)[:, None, None]) * through[:, None, None]",
        ),
    ],
    "WithoutMean": [
        ("mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))", "var = A * (x**2).mean(axis=(0, 2, 3))"),
        ("m = x.size // x.shape[1]\n        running_mean[...] = 0.9 * running_mean + 0.1 * mean\n", "\n"),
        ("0.1 * var * m / (m - 1)", "0.1 * var"),
        ("mean, var = running_mean, running_var", "var = running_var"),
        ("(x - channels(mean)) / channels(std)", "x / channels(std)"),
        (
            "direct = dy - (dbeta / m)[:, None, None] - x_hat * (dgamma / m)[:, None, None]",
            "direct = dy - A * x_hat * (dgamma / m)[:, None, None]",
        ),
    ],
    "ScaledBranch": [
        ("return across + along", "return across + A * along"),
        ("branch.backward(dy, branch_cache)", "branch.backward(A * dy, branch_cache)"),
    ],
}


def solution(each):
    """The text of the right functions for a student's assignment."""
    text = each.solution()
    for exercise in each.exercises:
        for old, new in SOLUTIONS[exercise.twist.__name__]:
            assert old in text, old
            for letter in "ab":
                new = new.replace(f"{letter.upper()} *", f"{getattr(exercise.twist, letter, 0)!r} *")
                new = new.replace(f"* {letter.upper()}", f"* {getattr(exercise.twist, letter, 0)!r}")
            text = text.replace(old, new)
    return text
