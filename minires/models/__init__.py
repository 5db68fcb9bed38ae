"""Networks by name: ``build("resnet20", num_classes=10, rng=0)``.

Names are generative: every member of a family can be built, not only the ones in tables.
"""

from . import lesions
from .certificate import Certificate, certify
from .cifar_resnet import cifar_plain, cifar_preact_resnet, cifar_resnet
from .family import Family
from .network import assemble, he_by_fan_out, small_stem
from .register import EXAMPLES, FAMILIES, build, find, options_of, parse_options
from .summary import Summary, summarize

__all__ = [
    "Certificate",
    "EXAMPLES",
    "FAMILIES",
    "Family",
    "Summary",
    "assemble",
    "build",
    "certify",
    "cifar_plain",
    "cifar_preact_resnet",
    "cifar_resnet",
    "find",
    "he_by_fan_out",
    "lesions",
    "options_of",
    "parse_options",
    "small_stem",
    "summarize",
]
