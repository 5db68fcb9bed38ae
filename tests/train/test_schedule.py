"""Schedules against torch.optim.lr_scheduler and against values by hand."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.errors import RangeError
from minires.train import TrainConfig, constant, cosine, learning_rate, one_cycle, steps, warmup
from minires.train.schedule import scale

LR, TOTAL = 0.4, 50


def torch_rates(make, total=TOTAL):
    """The learning rates that a scheduler of PyTorch sets for the steps 0 .. total - 1."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], LR)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_steps_equal_pytorch():
    ours = [steps(k, lr=LR, milestones=(10, 30), gamma=0.3) for k in range(TOTAL)]
    assert ours == pytest.approx(torch_rates(lambda s, o: s.MultiStepLR(o, [10, 30], gamma=0.3)), rel=1e-12)


def test_the_default_gamma_is_that_of_pytorch():
    ours = [steps(k, lr=LR, milestones=(10, 30)) for k in range(TOTAL)]
    assert ours == pytest.approx(torch_rates(lambda s, o: s.MultiStepLR(o, [10, 30])), rel=1e-12)


def test_cosine_equals_pytorch():
    ours = [cosine(k, lr=LR, total=TOTAL) for k in range(TOTAL)]
    assert ours == pytest.approx(torch_rates(lambda s, o: s.CosineAnnealingLR(o, TOTAL)), rel=1e-9)


def test_behind_its_end_a_schedule_stays():
    assert [cosine(k, lr=LR, total=100) for k in (100, 101, 150, 200)] == [0, 0, 0, 0]
    assert len({one_cycle(k, lr=LR, total=100) for k in (99, 100, 150, 200)}) == 1


@pytest.mark.parametrize("schedule", [cosine, one_cycle])
@pytest.mark.parametrize("total", [0, -3, math.nan])
def test_no_steps_have_no_schedule(schedule, total):
    with pytest.raises(RangeError, match=f"total is {total}, expected the number of steps of the training, at least 1"):
        schedule(0, lr=LR, total=total)


@pytest.mark.parametrize("total", [10, 37, 50])
def test_one_cycle_equals_pytorch(total):
    ours = [one_cycle(k, lr=LR, total=total) for k in range(total)]
    make = lambda s, o: s.OneCycleLR(o, LR, total_steps=total, cycle_momentum=False)
    theirs = torch_rates(make, total - 1)  # PyTorch refuses to go beyond the last step
    assert ours[:-1] == pytest.approx(theirs, rel=1e-12)
    assert ours[-1] == pytest.approx(LR / 25e4)


def test_warmup_equals_pytorch():
    length = 7
    ours = [LR * warmup(k, length=length) for k in range(TOTAL)]
    make = lambda s, o: s.LinearLR(o, start_factor=1 / length, total_iters=length - 1)
    assert ours == pytest.approx(torch_rates(make), rel=1e-12)


def test_by_hand():
    assert constant(17, lr=LR) == LR
    assert [steps(k, lr=1.0, milestones=(2, 3), gamma=0.5) for k in range(5)] == [1, 1, 0.5, 0.25, 0.25]
    assert [steps(k, lr=1.0, milestones=(2, 3)) for k in range(4)] == pytest.approx([1, 1, 0.1, 0.01])  # gamma
    assert [cosine(k, lr=2.0, total=4) for k in (0, 2)] == pytest.approx([2, 1])
    assert [warmup(k, length=4) for k in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert warmup(0, length=0) == 1


def test_one_cycle_by_hand():
    """At both ends, at the top and half way to either side; then without room for a rise, and with one step behind."""
    start, end = 1 / 25, 1 / 25e4
    rates = [one_cycle(k, lr=1.0, total=41, rise=0.5, start=0.2) for k in (0, 19, 20, 40)]  # the top is at 19.5
    assert rates[0] == pytest.approx(0.2) and rates[3] == pytest.approx(end)
    assert rates[1] < 1 and rates[2] < 1 and min(rates[1:3]) > 0.99
    rates = [one_cycle(k, lr=2.0, total=40) for k in (0, 5.5, 11, 25, 39)]  # the top is at 11
    assert rates == pytest.approx([2 * start, 1 + start, 2, 1 + end, 2 * end], rel=1e-12)
    assert [one_cycle(k, lr=2.0, total=2, rise=0.5) for k in (0, 1)] == pytest.approx([2, 2 * end])
    assert one_cycle(1, lr=2.0, total=2) == pytest.approx(2 * end)


def test_configuration_gives_schedule_times_warmup():
    config = TrainConfig(lr=1.0, schedule="steps", milestones=(0.5, 0.75), gamma=0.1, warmup=5)
    rates = [learning_rate(config, k, 100) for k in (0, 4, 49, 50, 74, 75, 99)]
    assert rates == pytest.approx([0.2, 1, 1, 0.1, 0.1, 0.01, 0.01])
    config = TrainConfig(lr=1.0, schedule="steps", milestones=(0.5, 0.75), gamma=0.3)
    assert [learning_rate(config, k, 100) for k in (49, 50, 75)] == pytest.approx([1, 0.3, 0.09])
    assert learning_rate(TrainConfig(lr=1.0, schedule="cosine"), 50, 100) == pytest.approx(0.5)
    assert learning_rate(TrainConfig(lr=1.0, schedule="constant"), 50, 100) == 1.0
    assert learning_rate(TrainConfig(lr=1.0, schedule="one-cycle"), 29, 100) == pytest.approx(1.0)


@given(
    schedule=st.sampled_from(["constant", "steps", "cosine", "one-cycle"]),
    total=st.integers(1, 300),
    warm=st.integers(0, 400),
)
def test_always_above_zero_and_never_above_lr(schedule, total, warm):
    """An optimiser accepts every learning rate of every schedule, however short the training."""
    config = TrainConfig(lr=LR, schedule=schedule, warmup=warm)
    assert all(0 < learning_rate(config, k, total) <= LR * (1 + 1e-12) for k in range(total))


@pytest.mark.parametrize(
    ("rule", "batch_size", "accumulate", "factor"),
    [("none", 256, 4, 1), ("linear", 256, 1, 4), ("linear", 64, 4, 4), ("linear", 32, 1, 0.5), ("sqrt", 256, 4, 4)],
)
def test_the_rate_grows_with_the_images_of_a_step_and_with_a_warmup(rule, batch_size, accumulate, factor):
    config = TrainConfig(lr=0.1, scale_lr=rule, batch_size=batch_size, accumulate=accumulate, schedule="constant")
    assert scale(config) == pytest.approx(factor)
    rates = [learning_rate(config, k, 100) for k in (0, 1, 4, 99)]
    rise = [1 / 5, 2 / 5, 1, 1] if factor > 1 else [1, 1, 1, 1]  # a twentieth of 100 steps
    assert rates == pytest.approx([0.1 * factor * part for part in rise])
    asked = replace(config, warmup=2)
    assert [learning_rate(asked, k, 100) for k in (0, 1)] == pytest.approx([0.05 * factor, 0.1 * factor])
    cycle = replace(config, schedule="one-cycle")  # begins with a rise
    assert [learning_rate(cycle, k, 100) for k in (0, 29)] == pytest.approx([0.1 * factor / 25, 0.1 * factor])


def test_the_rate_is_that_of_the_batch_that_it_was_meant_for():
    assert scale(TrainConfig(scale_lr="linear", batch_size=256, lr_batch=128)) == 2
    assert scale(TrainConfig(scale_lr="sqrt", batch_size=32, lr_batch=128)) == 0.5
