"""Network in Network: published counts, PyTorch as oracle."""

import pytest
from models import zoo_checks as Z
from oracles.pytorch import F


def nin(net, x):
    for stage in (1, 2, 3):
        for conv in (1, 2, 3):
            x = F.relu(net.conv(x, f"stage{stage}.conv{conv}"))
        if stage == 1:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        if stage == 2:
            x = F.avg_pool2d(x, 3, 2, ceil_mode=True)
    return x.mean(dim=(2, 3))


@pytest.mark.parametrize("size", [8, 9, 10, 4])
def test_as_pytorch(size):
    Z.assert_as_pytorch(Z.randomised("nin_cifar", dropout=0), nin, size)


def test_published_counts():
    """With pools that round down the multiply-adds would be fewer: 15 x 15 and 7 x 7 pixels."""
    Z.assert_counts("nin_cifar", 966_986, 222_486_528, 32)


def test_learns():
    Z.assert_learns("nin_cifar", 8, dropout=0)
