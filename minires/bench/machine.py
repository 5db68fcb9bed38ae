"""The machine that something is measured on."""

import datetime
import os
import platform
from typing import Any

from ..engine import processor


def facts() -> dict[str, Any]:
    """Its processor, cores, system, Python, load average of the last minute (None where there is none), the date."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "date": datetime.date.today().isoformat(),
    }
