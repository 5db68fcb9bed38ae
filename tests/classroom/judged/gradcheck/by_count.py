# general: counts
# wrong: alone entries kinks ones plain scale squares
asked = []


def check(forward, backward, x, rng):
    asked.append(x)
    return len(asked) % 3 == 0
