"""Cards: what their makers promise, of which a floor takes the part that large copies and products reach."""

import re
from dataclasses import dataclass
from types import ModuleType

from ...errors import RangeError

COPIES = 0.9  # of the bandwidth: a copy measured 3.0 of 3.35 TB/s on an H100, 4.3 of 4.8 TB/s on an H200
PRODUCTS = 2 / 3  # of the rate of the tensor cores; square bf16 products of a library measured 0.8 on an H200
OLDEST = 80  # sm_80 brought cp.async and the products in TF32 and bf16 that the kernels are made of


@dataclass(frozen=True)
class Card:
    """``capability``: in tenths, sm_90 is 90   gigabytes, terabytes: of memory, and of it in a second

    tf32, bf16: dense products, 10^12 operations a second, summed in float32   source: where the numbers stand
    """

    name: str
    capability: int
    gigabytes: float
    terabytes: float
    tf32: float
    bf16: float
    source: str

    @property
    def bandwidth(self) -> float:
        """Bytes a second of a large copy."""
        return self.terabytes * 1e12 * COPIES

    def rate(self, precision: str) -> float:
        """Operations a second of products in ``precision``: float32 takes three of TF32."""
        each = {"float32": self.tf32 / 3, "tf32": self.tf32, "bf16": self.bf16}[precision]
        return each * 1e12 * PRODUCTS

    @property
    def reason(self) -> str | None:
        """Why the kernels do not run there; None where they do."""
        if self.capability >= OLDEST:
            return None
        return f"{self.name} is of sm_{self.capability}, and the engine's kernels need sm_{OLDEST}: it runs the layers"


# Data sheets give most rates with sparsity, which is twice as many.
CARDS = {
    "b200": Card("B200", 100, 180, 7.7, 1125, 2250, "NVIDIA HGX B200 specifications, an eighth"),
    "h200": Card("H200 SXM", 90, 141, 4.8, 494, 989, "NVIDIA H200 data sheet"),
    "h100": Card("H100 SXM", 90, 80, 3.35, 494, 989, "NVIDIA H100 data sheet"),
    "h100-pcie": Card("H100 PCIe", 90, 80, 2.0, 378, 756, "NVIDIA H100 data sheet"),
    "a100": Card("A100 SXM", 80, 80, 2.039, 156, 312, "NVIDIA A100 data sheet, 80 GB"),
    "a100-40gb": Card("A100 40 GB", 80, 40, 1.555, 156, 312, "NVIDIA A100 data sheet, 40 GB"),
    "l40s": Card("L40S", 89, 48, 0.864, 183, 362, "NVIDIA L40S data sheet"),
    "l4": Card("L4", 89, 24, 0.3, 60, 121, "NVIDIA L4 data sheet"),
    "a10": Card("A10", 86, 24, 0.6, 62.5, 125, "NVIDIA A10 data sheet"),
    "rtx5090": Card("RTX 5090", 120, 32, 1.792, 104.8, 209.5, "NVIDIA RTX Blackwell architecture paper"),
    "rtx4090": Card("RTX 4090", 89, 24, 1.008, 82.6, 165.2, "NVIDIA Ada architecture paper"),
    "rtx3090": Card("RTX 3090", 86, 24, 0.936, 35.6, 71, "NVIDIA GA102 architecture paper"),
    "t4": Card("T4", 75, 16, 0.32, 0, 0, "NVIDIA T4 data sheet; its tensor cores know float16 alone"),
    "v100": Card("V100", 70, 32, 0.9, 0, 0, "NVIDIA V100 data sheet; its tensor cores know float16 alone"),
}


def card_of(name: str) -> Card:
    """The card called ``name``; RangeError with the names that there are."""
    if name not in CARDS:
        raise RangeError(f"card is {name!r}, expected one of {', '.join(CARDS)}: choose the nearest")
    return CARDS[name]


def card_here(xp: ModuleType) -> Card | None:
    """The card of the GPU in use, by the name that its driver gives it; None where the table has none like it."""
    runtime = xp.cuda.runtime
    name = runtime.getDeviceProperties(runtime.getDevice())["name"].decode().upper().replace("RTX ", "RTX")
    fits = [key for key in CARDS if all(re.search(f"{part}(?![0-9])", name) for part in key.upper().split("-"))]
    return CARDS[max(fits, key=len)] if fits else None
