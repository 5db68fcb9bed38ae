"""The answer of PyTorch, for :func:`oracles.assert_same`."""

from oracles.pytorch import torch


def torch_run(f, x, dy, **params):
    """y = f(x, **params) of PyTorch and its gradients by autograd, as NumPy arrays."""
    x = torch.tensor(x, requires_grad=True)
    params = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    y = f(x, **params)
    y.backward(torch.tensor(dy))
    grads = {name: param.grad.numpy() for name, param in params.items()}
    return {"y": y.detach().numpy(), "dx": x.grad.numpy(), **grads}
