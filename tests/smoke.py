"""Every command once, small, as it is installed beside this Python, in an empty folder: python tests/smoke.py

Needs nothing but minires. It ends at the first command that fails, writes a traceback, or prints a warning.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PROGRAM = shutil.which("minires", path=sysconfig.get_path("scripts"))
LINES = """
--version
--help
train --model resnet8 --epochs 1 --batch-size 32 --limit-train 96 --limit-test 40 --run-dir run --json
train --resume run --json
eval run --json
check --seeds 3 --json
models --json
models resnet20 --json
models resnet20 --device cuda --card l4 --json
data --json
data digits --json
trace --model resnet8 --batch-size 2 --html page.html --json
trace run --batch-size 2 --json
step --model resnet8 --batch-size 2
bench cpu --quick --cases infer*resnet20*b1 --systems engine --threads 1 --out bench --json
experiment list --json
experiment run ode_order --seeds 0,1 --out experiments --json
experiment errors 19 9 --json
assign list --json
assign build linear --out handouts --lang zh --json
tutorials --json
tutorials --to tutorials --json
"""


def run(line, folder):
    """Run one command and look at what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [PROGRAM, *line.split()]
    found = subprocess.run(command, cwd=folder, env=environment, input="n\nq\n", capture_output=True, text=True)
    wrong = found.returncode or any(word in found.stderr for word in ("Traceback", "Warning"))
    if wrong:
        sys.exit(f"minires {line}: exit code {found.returncode}\n{found.stdout}{found.stderr}")
    if "--json" in line:
        json.loads(found.stdout)
    print(f"minires {line}")


def main():
    if PROGRAM is None:
        sys.exit(f"no minires in {sysconfig.get_path('scripts')}: install it with {sys.executable} -m pip")
    with tempfile.TemporaryDirectory() as folder:
        for line in LINES.split("\n")[1:-1]:
            run(line, folder)
        tutorial = Path(folder, "tutorials", "01_a_layer_and_its_gradient.py")
        subprocess.run([sys.executable, tutorial], cwd=folder, check=True)
        print(f"python {tutorial.name}")


if __name__ == "__main__":
    main()
