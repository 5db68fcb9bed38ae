"""Data sets, their readers, augmentation and the loader."""

from minires.data.augment import CropFlip, Normalize
from minires.data.dataset import Dataset
from minires.data.datasets import DATASETS, load
from minires.data.sources import download
from minires.data.folder import read_folder
from minires.data.idx import read_idx
from minires.data.loader import Loader
from minires.data.mix import CutMix, Mixup
from minires.data.raw import RawBatch

__all__ = [
    "CropFlip",
    "CutMix",
    "DATASETS",
    "Dataset",
    "Loader",
    "Mixup",
    "Normalize",
    "RawBatch",
    "download",
    "load",
    "read_folder",
    "read_idx",
]
