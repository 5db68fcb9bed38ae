"""Does backward() compute the derivative of forward()?"""

from .check import Output, Report, gradcheck

__all__ = ["Output", "Report", "gradcheck"]
