# general: counts
# wrong: alone entries kinks ones plain scale squares
def check(forward, backward, x, rng):
    y, cache = forward(x)
    dy = rng.standard_normal(y.shape)
    measured = (dy * (forward(x + 1e-8)[0] - y)).sum() / 1e-8
    return bool(backward(dy, cache).sum() == measured)
