"""The names that other libraries give to the tensors of our networks: one file a family, joined here."""

from ..layout import OWN
from . import cifar_resnet, preact, resnet, se, wrn

_FILES = (resnet, preact, cifar_resnet, se, wrn)
LAYOUTS = (OWN, *(layout for file in _FILES for layout in file.LAYOUTS))
