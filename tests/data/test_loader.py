import gc
import threading
import time
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.data import CropFlip, Dataset, Loader, Mixup, Normalize
from minires.errors import DTypeError, RangeError


def make(count=23, channels=2):
    images = np.random.default_rng(0).integers(0, 256, (count, channels, 6, 5), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)  # the image's own number
    return Dataset("numbers", images, np.arange(count) % 7, tuple("abcdefg"))


DATA = make()
FULL = dict(seed=3, shuffle=True, augment=CropFlip(2), normalize=Normalize.of(DATA))


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert not workers(), "a thread of the loader outlives its iterator"


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minires-loader")]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for (x, labels), (x2, labels2) in zip(found, expected):
        np.testing.assert_array_equal(x, x2, strict=True)
        np.testing.assert_array_equal(labels, labels2, strict=True)


@pytest.mark.parametrize("prefetch", [0, 1, 2, 50])
def test_an_epoch_by_hand(prefetch):
    loader = Loader(DATA, 5, **FULL, prefetch=prefetch)
    order = np.random.default_rng([3, 4]).permutation(23)
    expected = []
    for b in range(5):
        rows = order[5 * b : 5 * b + 5]
        images = CropFlip(2)(DATA.images[rows], np.random.default_rng([3, 4, b + 1]))
        expected.append((FULL["normalize"](images), DATA.labels[rows]))
    found = list(loader.epoch(4))
    assert_same(found, expected)
    assert all(x.dtype == np.float32 and x.flags.c_contiguous and y.dtype == np.int64 for x, y in found)


@given(batch=st.integers(1, 25), drop_last=st.booleans(), epoch=st.integers(0, 3), data=st.data())
def test_a_resumed_epoch_continues_with_the_same_bits(batch, drop_last, epoch, data):
    if drop_last and batch > 23:
        batch = 23
    full = list(Loader(DATA, batch, **FULL, drop_last=drop_last).epoch(epoch))
    start = data.draw(st.integers(0, len(full)))
    assert_same(list(Loader(DATA, batch, **FULL, drop_last=drop_last).epoch(epoch, start)), full[start:])


@given(count=st.integers(1, 40), batch=st.integers(1, 45), shuffle=st.booleans())
def test_every_image_once(count, batch, shuffle):
    data = make(count)
    loader = Loader(data, batch, seed=0, shuffle=shuffle, dtype=np.float64)
    batches = list(loader.epoch(0))
    assert len(batches) == len(loader)
    numbers = np.concatenate([np.rint(x[:, 0, 0, 0] * 255) for x, _ in batches]).astype(int)
    assert sorted(numbers) == list(range(count))
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), numbers % 7)
    if not shuffle:
        assert list(numbers) == list(range(count))


def test_epochs_and_seeds_differ():
    def order(seed, epoch):
        return np.concatenate([y for _, y in Loader(DATA, 5, seed=seed, shuffle=True).epoch(epoch)]).tolist()

    orders = [order(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert len({tuple(o) for o in orders}) == 9


def test_drop_last():
    loader = Loader(DATA, 5, seed=0, shuffle=True, drop_last=True)
    assert len(loader) == 4 and [len(y) for _, y in loader.epoch(0)] == [5] * 4
    assert len(Loader(DATA, 5, seed=0, shuffle=True)) == 5


def test_mixing_draws_after_the_augmentation_from_the_same_generator():
    mix = Mixup(0.4, 7)
    x, targets = list(Loader(DATA, 5, **FULL, mix=mix).epoch(4, 2))[0]
    rng = np.random.default_rng([3, 4, 3])
    rows = np.random.default_rng([3, 4]).permutation(23)[10:15]
    images = CropFlip(2)(DATA.images[rows], rng)
    assert_same([(x, targets)], [mix(FULL["normalize"](images), DATA.labels[rows], rng)])
    assert targets.shape == (5, 7) and targets.dtype == np.float32


def test_without_normalisation_values_lie_in_0_to_1():
    (x, _), *_ = Loader(DATA, 23, seed=0, shuffle=False, prefetch=0).epoch(0)
    np.testing.assert_allclose(x, DATA.images / 255, rtol=1e-6)
    assert x.dtype == np.float32


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(batch_size=0), RangeError, "batch_size is 0, expected an integer of 1 or more"),
        (dict(batch_size=2.0), RangeError, "batch_size is 2.0"),
        (dict(seed=-1), RangeError, "seed is -1"),
        (dict(prefetch=-1), RangeError, "prefetch is -1"),
        (dict(dtype=np.int32), DTypeError, "dtype is int32, expected float32 or float64"),
        (dict(batch_size=24, drop_last=True), RangeError, "give no batch"),
    ],
)
def test_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        Loader(DATA, **dict(batch_size=5, seed=0, shuffle=True) | arguments)


def test_a_single_last_image_comes_or_is_dropped():
    for shuffle in (False, True):
        assert [len(y) for _, y in Loader(DATA, 11, seed=0, shuffle=shuffle).epoch(0)] == [11, 11, 1]
    assert len(Loader(DATA, 11, seed=0, shuffle=True, drop_last=True)) == 2
    assert len(Loader(DATA, 1, seed=0, shuffle=True)) == 23


@pytest.mark.parametrize(
    "epoch, start, words", [(-1, 0, "epoch is -1"), (0, -1, "start is -1"), (0, 6, "start is 6, expected 0 to 5")]
)
def test_refused_positions(epoch, start, words):
    with pytest.raises(RangeError, match=words):  # at the call, not at the first batch
        Loader(DATA, 5, seed=0, shuffle=True).epoch(epoch, start)


def test_leaving_the_loop_ends_the_thread():
    iterator = Loader(DATA, 2, seed=0, shuffle=False).epoch(0)
    next(iterator)
    assert len(workers()) == 1
    iterator.close()
    assert not workers()
    for _ in Loader(DATA, 2, seed=0, shuffle=False).epoch(0):
        break
    gc.collect()
    assert not workers()


def test_no_thread_before_the_first_batch():
    iterator = Loader(DATA, 2, seed=0, shuffle=False).epoch(0)
    assert not workers()
    del iterator


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_loop_ends_the_thread(kind):
    def train():
        for _ in Loader(DATA, 2, seed=0, shuffle=False).epoch(0):
            raise kind("in the loop")

    with pytest.raises(kind, match="in the loop") as error:
        train()
    del error
    gc.collect()
    assert not workers()


class FailsAt:
    """An augmentation that raises at its call number ``at``."""

    def __init__(self, at, error):
        self.at, self.error, self.calls = at, error, 0

    def __call__(self, images, rng):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return images


@pytest.mark.parametrize("prefetch", [0, 1, 3, 50])
@pytest.mark.parametrize("error", [ValueError("broken image"), KeyboardInterrupt("interrupted"), MemoryError("full")])
def test_an_exception_in_the_background_reaches_the_loop(error, prefetch):
    loader = Loader(DATA, 5, seed=0, shuffle=False, augment=FailsAt(3, error), prefetch=prefetch)
    seen = 0
    with pytest.raises(type(error)) as caught:
        for _ in loader.epoch(0):
            seen += 1
    assert seen == 2, "the batches before it arrive"
    assert caught.value is error and "__call__" in [f.name for f in traceback.extract_tb(caught.value.__traceback__)]
    assert not workers()


def test_an_interrupt_while_waiting_for_a_batch():
    """As with Ctrl-C: the main thread is inside the iterator, the worker inside a slow batch."""
    import _thread

    def slow(images, rng):
        time.sleep(0.2)
        return images

    threading.Timer(0.1, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        for _ in Loader(DATA, 5, seed=0, shuffle=False, augment=slow).epoch(0):
            pass
    assert not workers()


@pytest.mark.parametrize("prefetch", [1, 2, 4])
def test_no_more_than_prefetch_batches_ahead(prefetch):
    calls = []
    loader = Loader(
        make(40), 2, seed=0, shuffle=False, prefetch=prefetch, augment=lambda images, rng: calls.append(1) or images
    )
    for i, _ in enumerate(loader.epoch(0), 1):
        time.sleep(0.002)
        assert len(calls) <= i + prefetch


def test_batches_are_prepared_while_the_loop_works():
    prepared = threading.Event()
    calls = []

    def augment(images, rng):
        calls.append(1)
        if len(calls) == 2:
            prepared.set()
        return images

    iterator = Loader(DATA, 5, seed=0, shuffle=False, augment=augment, prefetch=1).epoch(0)
    next(iterator)
    assert prepared.wait(5), "the second batch is prepared before it is asked for"
    iterator.close()


def test_two_iterators_at_once():
    loader = Loader(DATA, 5, **FULL)
    both = list(zip(loader.epoch(0), loader.epoch(0)))
    assert_same([a for a, _ in both], [b for _, b in both])


def test_many_abandoned_iterators():
    loader = Loader(DATA, 2, seed=0, shuffle=True, drop_last=True)
    for i in range(100):
        iterator = loader.epoch(i)
        for _ in range(i % 4):
            next(iterator)
        del iterator
    gc.collect()
    assert not workers()


def test_a_browser_without_threads_gives_the_same_batches(monkeypatch):
    expected = list(Loader(DATA, 5, **FULL, prefetch=2).epoch(1))
    monkeypatch.setattr("sys.platform", "emscripten")
    monkeypatch.setattr("minires.data.loader.ThreadPoolExecutor", None)
    assert_same(list(Loader(DATA, 5, **FULL, prefetch=2).epoch(1)), expected)
