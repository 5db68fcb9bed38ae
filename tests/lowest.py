"""The lowest versions that setup.cfg allows, as constraints for pip: python tests/lowest.py"""

import configparser
import re
from pathlib import Path


def pins():
    """Lines such as ``numpy==2.0``, of the package and of all its extras."""
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = {line for text in lists for line in text.split("\n") if line}
    return sorted(re.sub(r"\[.*\]", "", line).replace(">=", "==") for line in lines)


if __name__ == "__main__":
    print("\n".join(pins()))
