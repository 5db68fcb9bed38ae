"""The kernel that runs the tutorials for the site: `make docs` puts this where it is read."""

from ipykernel.iostream import OutStream

# Else each kernel warns that it is not encrypted.
c.IPKernelApp.log_level = "ERROR"  # noqa: F821
# What a cell prints comes in one piece. On a busy machine it came in several, and a line break stood between them.
OutStream.flush_interval = 3600
