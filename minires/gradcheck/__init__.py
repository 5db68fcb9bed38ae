"""Does backward() compute the derivative of forward()?"""

from .check import Entry, Report, gradcheck

__all__ = ["Entry", "Report", "gradcheck"]
