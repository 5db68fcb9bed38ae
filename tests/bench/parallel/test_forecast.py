"""The sentences of a dry run, word for word where nothing is measured."""

import pytest
from bench.parallel.pairs import on_pairs

from minires.bench.parallel import LINKS, Link, Work, forecast
from minires.bench.parallel.forecast import lines
from minires.errors import MiniresError
from minires.train import TrainConfig
from minires.train.ranks import Ranks

WORK = Work("a network on data", 10, 0.1, ((0.5, 1e6), (1.0, 1e6)))
LINK = Link("a link", 1e-3, 1e9)


def test_the_sentences():
    found = lines(WORK, 34, 2.5e6, 4, [LINK])
    assert found[:5] == [
        "4 ranks, a network on data: 34 images, 4 steps an epoch",
        "of a batch of 10: ranks 0 to 1 3 images each, ranks 2 to 3 2 images each",
        "of the last batch of 4: ranks 0 to 3 1 image each",
        "2.50 MB of gradients and running statistics a step, gradients in 2 messages while backward goes on; "
        "3.75 MB go out from each rank",
        "one rank here takes 100 ms for a step",
    ]
    # a share of 3 takes 30 ms; of each MB 6 messages and 1.5 MB take 7.5 ms: whole at 20 and 30 ms
    assert found[5].startswith(
        "by a link (1e+03 us, 1 GB/s): 37.5 ms a step, 2.67 times as many images a second as one"
    )


@pytest.mark.parametrize(("images", "size"), [(40, 3), (10, 1), (9, 4), (7, 16)])
def test_shares_are_those_of_the_training(images, size):
    """Counted out of the words, they are what the ranks take."""
    found = lines(WORK, images, 1.0, size, [])

    def counted(line):
        shares = {}
        for words in line.partition(": ")[2].split(", "):
            parts = words.split()
            first, last = (parts[1], parts[3]) if parts[2] == "to" else (parts[1], parts[1])
            number = int(parts[4] if parts[2] == "to" else parts[2])
            shares |= {rank: number for rank in range(int(first), int(last) + 1)}
        return shares

    for line, batch in zip(found[1:3], (10, images % 10)):
        if batch:
            taken = on_pairs(size, lambda comm, batch=batch: Ranks(comm).share(batch))
            assert counted(line) == {rank: part.stop - part.start for rank, part in enumerate(taken)}


def test_ranks_measure_and_rank_0_speaks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(model="digits_resnet8", data="digits", batch_size=64, limit_train=200)
    found = on_pairs(2, lambda comm: forecast(config, Ranks(comm)))
    assert found[1] == [] and not list(tmp_path.iterdir())
    assert found[0][0] == "2 ranks, digits_resnet8 on digits: 200 images, 4 steps an epoch"
    assert found[0][2] == "of the last batch of 8: ranks 0 to 1 4 images each"
    assert [line.partition(" (")[0] for line in found[0][-4:]] == ["by this machine", *(f"by {x.name}" for x in LINKS)]


def test_what_a_training_refuses_is_refused():
    with pytest.raises(MiniresError):
        on_pairs(
            1, lambda comm: forecast(TrainConfig(model="resnet20", data="digits", weights="nowhere.pth"), Ranks(comm))
        )
