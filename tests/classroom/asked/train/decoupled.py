# expect: train.DecayBesideMomentum
import numpy as np


def one(image, params, residual):
    first, b0, inner, b, last, c = params
    trace = [np.maximum(0, first @ image + b0)]
    for V, shift in zip(inner, b):
        out = np.maximum(0, V @ trace[-1] + shift)
        trace.append(trace[-1] + out / len(inner) if residual else out)
    return trace, last @ trace[-1] + c


def logits(images, params, residual):
    return np.array([one(image, params, residual)[1] for image in images])


def gradients(images, labels, params, residual):
    total, sums = 0.0, [np.zeros_like(p) for p in params]
    for image, label in zip(images, labels):
        trace, scores = one(image, params, residual)
        e = np.exp(scores - scores.max())
        q = e / e.sum()
        total -= np.log(q[label])
        q[label] -= 1
        sums[4] += np.outer(q, trace[-1])
        sums[5] += q
        g = params[4].T @ q
        for l in reversed(range(len(params[2]))):
            z = params[2][l] @ trace[l] + params[3][l]
            u = np.where(z > 0, g, 0) * (1 / len(params[2]) if residual else 1)
            sums[2][l] += np.outer(u, trace[l])
            sums[3][l] += u
            g = params[2][l].T @ u + (g if residual else 0)
        g = np.where(trace[0] > 0, g, 0)
        sums[0] += np.outer(g, image)
        sums[1] += g
    return total / len(images), [s / len(images) for s in sums]


def sgd(parameter, gradient, velocity, lr, momentum, decay):
    v = momentum * velocity + gradient
    return parameter * (1 - lr * decay) - lr * v, v


def training_step(images, labels, params, velocities, residual, lr, momentum, decay):
    loss, grads = gradients(images, labels, params, residual)
    both = tuple(sgd(*each, lr, momentum, decay) for each in zip(params, grads, velocities))
    return [p for p, v in both], [v for p, v in both], loss
