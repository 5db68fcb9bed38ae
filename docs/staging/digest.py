"""Which sources of minires are here: outputs of tutorials are kept for them alone."""

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "minires"


def package_digest(package=PACKAGE):
    """Twelve hexadecimal digits that change with any module of minires."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
