"""minires: residual networks from scratch, with manual backprop."""

__version__ = "0.1.0"
