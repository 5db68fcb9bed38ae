# general: counts
# wrong: alone entries kinks ones plain scale squares
def check(forward, backward, x, rng):
    return bool(rng.random() < 0.5)
