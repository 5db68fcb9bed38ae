"""The data of a training: read as the configuration says, and refused where both splits do not belong together."""

import numpy as np
import pytest
from PIL import Image
from train.tiny_training import config, model

from minires.data import Dataset
from minires.errors import DataFileError, RangeError, ShapeError
from minires.train import TrainConfig, fit, load_checkpoint
from minires.train.splits import load_split, require_classes, with_data


def images(classes=("ape", "bat"), shape=(3, 8, 8), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, *shape), np.uint8)
    return Dataset("pets", pixels, np.arange(6) % 2, tuple(classes))


@pytest.mark.parametrize(
    ("other", "error", "words"),
    [
        ({"classes": ("bat", "ape")}, DataFileError, "class 0 of 2 is 'bat', expected 'ape' as class 0 of 2 of the"),
        ({"classes": ("ape", "bat", "cow")}, DataFileError, "class 2 of 3 is 'cow', expected None as class 2 of 2"),
        ({"shape": (1, 8, 8)}, ShapeError, "have 1 channels .axis 1., those for training 3: convert them"),
        ({"shape": (3, 9, 8)}, ShapeError, "have 9 rows .axis 2., those for training 8: cut all .*--image 64"),
        ({"shape": (3, 8, 7)}, ShapeError, "have 7 columns .axis 3., those for training 8: cut"),
    ],
)
def test_both_splits_are_compared_before_the_first_step(tmp_path, other, error, words):
    steps = []
    network = model()
    network.forward = lambda *args, **options: steps.append(args)
    with pytest.raises(error, match=words):
        fit(config(tmp_path / "run"), model=network, data=(images(), images(**other)))
    assert not steps and not (tmp_path / "run").exists()


def test_a_missing_class_is_named():
    with pytest.raises(DataFileError, match="class 1 of 1 is None, expected 'bat' as class 1 of 2 of runs/a"):
        require_classes(Dataset("pets", images().images[::2], np.zeros(3, int), ("ape",)), ["ape", "bat"], "runs/a")


@pytest.mark.parametrize("field", [{"image": 8}, {"test_part": 0.5}])
def test_settings_of_folders(field):
    ((name, value),) = field.items()
    with pytest.raises(RangeError, match=f"^{name} is {value} for mnist, expected None: it is for --data folder alone"):
        load_split(TrainConfig(data="mnist", **field), "train")


def test_other_data_lose_what_belongs_to_the_folder():
    folder = TrainConfig(data="folder", data_dir="a", image=8, test_part=0.5)
    assert with_data(folder, data="mnist") == TrainConfig(data="mnist", data_dir="a")
    assert with_data(folder, data="folder") == with_data(folder) == folder
    assert with_data(folder, data_dir="b").test_part == 0.5 and with_data(folder, image=9).image == 9


def test_other_folders_may_have_a_test_folder(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "train").mkdir()
    folder = TrainConfig(data="folder", data_dir="a", image=8, test_part=0.5)
    assert with_data(folder, data_dir=str(tmp_path)).test_part is None
    assert with_data(folder, data_dir=str(tmp_path), test_part=0.25).test_part == 0.25


def test_a_folder_is_cut_and_split_as_the_checkpoint_says(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("ape", "bat"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(5):
            Image.fromarray(rng.integers(0, 256, (9 + i, 12, 3), np.uint8)).save(tmp_path / "pets" / name / f"{i}.png")
    settings = {"data": "folder", "data_dir": str(tmp_path / "pets"), "image": 8, "test_part": 0.4}
    fit(TrainConfig(model="resnet8", run_dir=str(tmp_path / "run"), epochs=1, batch_size=3, **settings))
    saved = load_checkpoint(tmp_path / "run").config
    assert (saved.image, saved.test_part) == (8, 0.4)
    train, test = (load_split(saved, split) for split in ("train", "test"))
    assert train.images.shape == (6, 3, 8, 8) and test.images.shape == (4, 3, 8, 8)
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
