"""A deep network, plain or residual, and one step of its training."""

import numpy as np


def logits(images, params, residual):
    """What the network says of each image   images: (N, P)   returns (N, K)

    params: [V_0 (D, P), b_0 (D,), V (n, D, D), b (n, D), W (K, D), c (K,)]   residual: whether h is added at each block
    """
    first, first_bias, inner, bias, last, last_bias = params
    h = np.maximum(images @ first.T + first_bias, 0)
    for weight, shift in zip(inner, bias):
        branch = np.maximum(h @ weight.T + shift, 0)
        h = h + branch / len(inner) if residual else branch
    return h @ last.T + last_bias


def gradients(images, labels, params, residual):
    """The mean cross-entropy over the images, and its gradients by the parameters

    labels: (N,) int   returns (loss, [gradient of each parameter, in its shape])
    """
    first, first_bias, inner, bias, last, last_bias = params
    before = images @ first.T + first_bias
    h, caches = np.maximum(before, 0), []
    for weight, shift in zip(inner, bias):
        z = h @ weight.T + shift
        caches.append((h, z))
        branch = np.maximum(z, 0)
        h = h + branch / len(inner) if residual else branch
    scores = h @ last.T + last_bias
    scores = scores - scores.max(axis=1, keepdims=True)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(probabilities[rows, labels]).mean()
    dscores = probabilities.copy()
    dscores[rows, labels] -= 1
    dscores /= len(labels)
    dinner, dbias = np.empty_like(inner), np.empty_like(bias)
    dh = dscores @ last
    for block in reversed(range(len(inner))):
        arrived, z = caches[block]
        dz = (dh / len(inner) if residual else dh) * (z > 0)
        dinner[block], dbias[block] = dz.T @ arrived, dz.sum(axis=0)
        through = dz @ inner[block]
        dh = dh + through if residual else through
    dbefore = dh * (before > 0)
    return loss, [dbefore.T @ images, dbefore.sum(axis=0), dinner, dbias, dscores.T @ h, dscores.sum(axis=0)]


def sgd(parameter, gradient, velocity, lr, momentum, decay):
    """One step of gradient descent with momentum and weight decay   returns (parameter, velocity), new arrays"""
    velocity = momentum * velocity + (gradient + decay * parameter)
    return parameter - lr * velocity, velocity


def training_step(images, labels, params, velocities, residual, lr, momentum, decay):
    """One step of training on one batch   returns (params, velocities, loss): new lists, the loss before the step"""
    loss, found = gradients(images, labels, params, residual)
    pairs = [sgd(p, g, v, lr, momentum, decay) for p, g, v in zip(params, found, velocities)]
    return [p for p, _ in pairs], [v for _, v in pairs], loss
