"""Fixtures of every test: the backends, the shared data, and the settings of hypothesis."""

import gc
import importlib.util
import os
import signal
import sys
from pathlib import Path

import cupy_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies

from minires.backend import require_device

# Behind nohup or & an interrupt is ignored, and would be by all that the tests start: here they send some themselves.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (getattr(signal, "SIGHUP", None), signal.SIG_DFL)):
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# A backend stays the same during a test, so the fixture may be shared by the examples of one @given.
EASY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
settings.register_profile("ci", derandomize=True, print_blob=True, **EASY)
settings.register_profile("dev", **EASY)
# thousands of runs, most of which fail: few examples, and no smaller ones
settings.register_profile(
    "mutation", derandomize=True, max_examples=30, phases=[Phase.explicit, Phase.generate], **EASY
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """20,000 tests are kept: to look through them for what could go takes 0.4 s each time, a fifth of reading them."""
    gc.disable()
    result = yield
    gc.enable()
    given(strategies.none())(lambda _: None)()  # makes its generator while it can see who holds it
    gc.freeze()
    return result


def _real_cupy():
    """CuPy where it is installed and finds a GPU, else None; the stand-in where a dry run of a GPU's day says so."""
    if os.environ.get("MINIRES_GPU") == "stand-in":
        return cupy_strict
    if importlib.util.find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.is_available() else None


CUPY = _real_cupy()
BACKENDS = {"numpy": np, "strict": cupy_strict, "cupy": CUPY}
PARAMS = ["numpy", "strict"] + ([pytest.param("cupy", marks=pytest.mark.gpu)] if CUPY else [])


@pytest.fixture(params=PARAMS)
def xp(request, monkeypatch):
    """The array module: numpy, the strict stand-in for CuPy, and CuPy itself where a GPU is present."""
    if request.param == "strict":
        monkeypatch.setitem(sys.modules, "cupy", cupy_strict)
        require_device("cuda")  # its first computation shall not count in the test
    return BACKENDS[request.param]


@pytest.fixture
def device(xp):
    """The device of the arrays of ``xp``, as minires names it."""
    return "cpu" if xp is np else "cuda"


@pytest.fixture
def strict(monkeypatch):
    """The stand-in alone, in the place of CuPy: for tests of budgets."""
    monkeypatch.setitem(sys.modules, "cupy", cupy_strict)
    require_device("cuda")
    return cupy_strict


@pytest.fixture(scope="session")
def shared():
    """The folder of the course's data and weights; the test is skipped where it is absent."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("MINIRES_SHARED", root.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set MINIRES_SHARED to the folder")
    return folder


@pytest.fixture
def gpu(monkeypatch):
    """CuPy with a GPU: for tests with the marker gpu, which are skipped elsewhere."""
    if CUPY is None:
        pytest.skip("no GPU")
    monkeypatch.setitem(sys.modules, "cupy", CUPY)
    require_device("cuda")
    return CUPY


def to_xp(xp, array):
    """A NumPy array, list or number as an array of ``xp``."""
    return xp.asarray(array)


def np_of(array):
    """An array of any backend as a NumPy array."""
    return array if isinstance(array, np.ndarray) else array.get()
