"""A scale and an offset for each feature."""


def scale_forward(x, gain, offset):
    """y = gain x + offset

    x: (N, D)   gain, offset: (D,)   returns (y, cache): y (N, D), and whatever backward needs
    """
    y = gain * x + offset
    return y, (x, gain)


def scale_backward(dy, cache):
    """dy: (N, D)   returns (dx, dgain, doffset), in the shapes of x, gain and offset"""
    x, gain = cache
    return dy * gain, (dy * x).sum(axis=0), dy.sum(axis=0)
