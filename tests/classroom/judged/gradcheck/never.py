# expect: Checker.AlwaysFalse
# wrong: alone entries kinks ones plain scale squares
def check(forward, backward, x, rng):
    y, cache = forward(x)
    dy = rng.standard_normal(y.shape)
    error = abs((dy * (forward(x + 1e-6)[0] - y)).sum() / 1e-6 - backward(dy, cache).sum())
    return bool(error < 0)
