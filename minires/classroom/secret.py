"""The file of a course: its secret, from which the numbers and twists of each student come."""

import hashlib
import hmac
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataFileError
from ..files.whole import make_folder, write_atomically

TEXT = """# The file of a course. Keep it, and keep it from students: their numbers come from the secret.
secret = "{secret}"

# Assignments in which each student has a definition of their own, for example ["batchnorm", "residual"]. They are
# handed out by minires assign build NAME --student ID --course FILE, and graded with the same file.
twisted = []
"""


@dataclass(frozen=True)
class Secret:
    """secret: any text   twisted: names of assignments in which each student has a definition of their own"""

    secret: str
    twisted: tuple[str, ...] = ()

    def number(self, *words: str) -> int:
        """A whole number of 256 bits that nobody can know who lacks the secret: HMAC-SHA256 of the words."""
        digest = hmac.new(self.secret.encode(), "\0".join(words).encode("utf-8", "surrogatepass"), hashlib.sha256)
        return int.from_bytes(digest.digest(), "big")


def as_secret(secret: Secret | str) -> Secret:
    """Text is a secret without twists."""
    return Secret(secret) if isinstance(secret, str) else secret


def secret_in(path: str | Path) -> Secret:
    """The :class:`Secret` in a file, which is made where there is none. Raises DataFileError where it holds none."""
    path = Path(path)
    if not path.exists():
        make_folder(path.parent)
        write_atomically(path, TEXT.format(secret=secrets.token_hex(16)).encode(), mode=0o600)
    try:
        if not path.is_file():
            raise ValueError("it is no regular file")
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        secret, twisted = fields["secret"], fields.get("twisted", [])
        if not isinstance(secret, str) or not secret or not all(isinstance(name, str) for name in twisted):
            raise ValueError("secret is to be text, twisted a list of names")
        return Secret(secret, tuple(twisted))
    except (ValueError, KeyError, TypeError) as error:
        raise DataFileError(f"{path} is no file of a course: {error}: name another, or let one be made") from None
