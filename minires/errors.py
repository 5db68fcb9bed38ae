"""Every error that minires raises on purpose: what is wrong, where, and what to do about it."""

from typing import Self


class MiniresError(Exception):
    """Base of all errors of minires.

    ``layer`` names the class of the layer at fault; each container on the way out puts the name of
    its child in front, so that the message of a deep error reads
    ``stage2.0.add.branch.conv1 (Conv2d): input has 3 channels (axis 1), weight expects 16: ...``.
    """

    def __init__(self, message: str, layer: str | None = None) -> None:
        super().__init__(message, layer)
        self.message = message
        self.layer = layer
        self.path: tuple[str, ...] = ()

    def within(self, name: str) -> Self:
        """Note that the error passed through the child ``name`` of a container, and return self."""
        self.path = (name, *self.path)
        return self

    def __str__(self):
        if self.layer is None:
            return self.message
        path = ".".join(self.path)
        return f"{path} ({self.layer}): {self.message}" if path else f"{self.layer}: {self.message}"


class ShapeError(MiniresError, ValueError):
    """An array has the wrong number of axes or the wrong size along one."""


class DTypeError(MiniresError, TypeError):
    """A value has the wrong type, or an array the wrong dtype."""


class RangeError(MiniresError, ValueError):
    """A number lies outside the values that make sense."""


class StateError(MiniresError, RuntimeError):
    """The call comes at the wrong time, or with state that belongs elsewhere."""


class NumericError(MiniresError, ArithmeticError):
    """A computation gave NaN or infinity."""


class ContractError(MiniresError, AssertionError):
    """A layer breaks a promise that every layer makes (see :mod:`minires.contract`)."""


class GradientError(ContractError):
    """backward() disagrees with the derivative of forward().

    ``report``: the :class:`~minires.gradcheck.Report` on all arrays of that layer, None where there is none.
    """

    report = None


class DataFileError(MiniresError, ValueError):
    """A data file is missing, truncated, oversized, or does not hold what its header says."""


class CheckpointError(MiniresError, ValueError):
    """A file of weights or of training state is broken or does not fit."""


class DeviceError(MiniresError, RuntimeError):
    """Arrays live on different devices, or the device asked for cannot be used."""
