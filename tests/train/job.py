"""Jobs of mpiexec for tests: started, ended, and nothing of them left."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

OPEN_MPI = {  # refuses root, and more ranks than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
ENVIRONMENT = {**os.environ, **OPEN_MPI, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def mpiexec_here():
    """The mpiexec beside this Python, or of the system; None without one, or without mpi4py."""
    found = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    return found if importlib.util.find_spec("mpi4py") else None


def start(mpiexec, size, *command):
    where = {"env": ENVIRONMENT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [mpiexec, "-n", str(size), sys.executable, *map(str, command)], start_new_session=True, **where
    )


def finished(process, seconds=180):
    """(exit code, standard output, standard error), with no process left."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, out, err


def alive(marker):
    """Processes whose command line has ``marker``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
