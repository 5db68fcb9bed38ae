"""The three products of a convolution in three precisions and five orders of the threads, against NumPy float64."""

import numpy as np
import pytest
from cuda_emulation import ORDERS, Host
from engine.cuda import checks_products as checks

from minires.engine.cuda.modules import PRECISIONS

CHECKS = {"forward": checks.forward, "backward": checks.backward, "weights": checks.weight_gradient}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", checks.CASES)
@pytest.mark.parametrize("product", CHECKS)
def test_a_product_is_that_of_float64(product, case, precision):
    CHECKS[product](Host(), case, precision)


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "ascending"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("product", CHECKS)
def test_no_order_of_the_threads_changes_it(product, precision, order):
    for case in ("3x3 of stride 2", "3x3, dilation 2, two groups", "many pixels"):
        CHECKS[product](Host(order), case, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so_where_it_is_and_only_there(value, precision):
    for case in ("3x3 of stride 2", "7x7 of stride 3"):
        checks.forward(Host(), case, precision, spoil=value)


def test_two_orders_agree_bit_for_bit():
    found = []

    def keep(order):
        def run(*launches):
            Host(order)(*launches)
            arrays = [a for launch in launches for a in launch.arguments if isinstance(a, np.ndarray)]
            found.append([a.copy() for a in arrays if a.dtype != np.int64])  # addresses

        return run

    for order in ORDERS:
        checks.weight_gradient(keep(order), "many pixels", "float32")
        checks.forward(keep(order), "many pixels", "tf32")
    half = len(found) // len(ORDERS)
    for k, arrays in enumerate(found):
        for a, b in zip(arrays, found[k % half]):
            assert a.tobytes() == b.tobytes()
