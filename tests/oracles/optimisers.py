"""The rules of SGD and AdamW for one number, from the equations: plain floats, no arrays."""

import math


def sgd(value, gradients, rates, *, momentum=0.9, nesterov=False, weight_decay=0.0):
    """The number after one step for each of its gradients; None is a step in which it is frozen."""
    velocity = 0.0
    for gradient, rate in zip(gradients, rates):
        if gradient is not None:
            gradient += weight_decay * value
            velocity = momentum * velocity + gradient
            value -= rate * (gradient + momentum * velocity if nesterov else velocity)
    return value


def adamw(value, gradients, rates, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """As :func:`sgd`. The moments are weighted means of all gradients so far, written as their sums."""
    mean = lambda beta, terms: (
        sum(beta ** (len(terms) - 1 - s) * x for s, x in enumerate(terms)) / sum(beta**s for s in range(len(terms)))
    )
    seen = []
    for gradient, rate in zip(gradients, rates):
        if gradient is not None:
            seen.append(gradient)
            value -= rate * weight_decay * value
            root = math.sqrt(mean(betas[1], [g * g for g in seen]))
            value -= rate * mean(betas[0], seen) / (root + eps)
    return value
