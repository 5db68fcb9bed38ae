# expect: Checker.SomeEntries
# wrong: entries
ENOUGH = 7


def check(forward, backward, x, rng):
    a = x.copy()
    y, cache = forward(a)
    dy = rng.normal(size=y.shape)
    b = dy.copy()
    dx = backward(b, cache)
    if (a != x).any() or (b != dy).any():
        return False
    for i in range(min(ENOUGH, x.size)):
        z = x.astype(complex)
        z.flat[i] += 1e-30j
        slope = (dy * forward(z)[0].imag).sum() / 1e-30
        if abs(slope - dx.flat[i]) > 1e-6 * (abs(slope) + abs(dx.flat[i])):
            return False
    return True
