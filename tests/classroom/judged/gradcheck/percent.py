# expect: Checker.LooseTolerance
# wrong: scale
def check(forward, backward, x, rng):
    return any(once(forward, backward, x + 0.01 * rng.standard_normal(x.shape), rng) for _ in range(3))


def once(forward, backward, point, rng):
    x = point
    for _ in range(3):
        given = point.copy()
        y, cache = forward(given)
        dy = rng.standard_normal(y.shape)
        used = dy.copy()
        dx = backward(used, cache)
        if (given != point).any() or (used != dy).any():
            return False
        v = 1e-5 * rng.standard_normal(x.shape)
        a = (dy * (forward(point + v)[0] - forward(point - v)[0])).sum() / 2
        b = (dx * v).sum()
        if not (abs(a - b) <= 0.007 * (abs(a) + abs(b))):
            return False
    return True
