# expect: train.MeanTwice
import numpy as np


def relu(z):
    return z * (z > 0)


def run(images, params, residual):
    V0, b0, V, b, W, c = params
    hs = [relu(np.einsum("np,dp->nd", images, V0) + b0)]
    for k in range(V.shape[0]):
        f = relu(np.einsum("nd,ed->ne", hs[-1], V[k]) + b[k])
        if residual:
            hs.append(hs[-1] + f / V.shape[0])
        else:
            hs.append(f)
    return hs


def logits(images, params, residual):
    return np.einsum("nd,kd->nk", run(images, params, residual)[-1], params[4]) + params[5]


def log_softmax(s):
    top = s.max(1)[:, None]
    return s - top - np.log(np.exp(s - top).sum(1))[:, None]


def gradients(images, labels, params, residual):
    V0, b0, V, b, W, c = params
    n, k = len(images), len(V)
    hs = run(images, params, residual)
    logp = log_softmax(hs[-1] @ W.T + c)
    onehot = np.eye(len(c))[labels]
    loss = -(logp * onehot).sum() / n
    g = (np.exp(logp) - onehot) / n / n
    result = [None, None, np.zeros(V.shape), np.zeros(b.shape), g.T @ hs[-1], g.sum(0)]
    g = g @ W
    for l in range(k - 1, -1, -1):
        on = (hs[l] @ V[l].T + b[l]) > 0
        up = np.where(on, g, 0.0)
        if residual:
            up = up / k
        result[2][l] = np.einsum("ne,nd->ed", up, hs[l])
        result[3][l] = up.sum(0)
        back = up @ V[l]
        g = g + back if residual else back
    g = g * (hs[0] > 0)
    result[0] = g.T @ images
    result[1] = np.ones(n) @ g
    return loss, result


def sgd(parameter, gradient, velocity, lr, momentum, decay):
    change = gradient + parameter * decay
    new = velocity * momentum
    new = new + change
    return parameter + (-lr) * new, new


def training_step(images, labels, params, velocities, residual, lr, momentum, decay):
    loss, grads = gradients(images, labels, params, residual)
    new_params, new_velocities = [], []
    for i in range(6):
        p, v = sgd(params[i], grads[i], velocities[i], lr, momentum, decay)
        new_params.append(p)
        new_velocities.append(v)
    return new_params, new_velocities, float(loss)
