"""Each platform as it runs its grader: ``PLATFORMS[name](export, submission, to) -> score``, of None no score.

export: folder that minires assign export wrote   submission: folder of what a student has handed in   to: an empty one
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ENV = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}
SECONDS = 120


def run(command, folder, who=None, **env):
    how = {"cwd": folder, "env": ENV | env, "timeout": SECONDS, "stdin": subprocess.DEVNULL, **(who or {})}
    return subprocess.run(command, capture_output=True, text=True, **how)


def gradescope(export, submission, to, user=None, **env):
    """user: that of the grader, if it is another   env: variables of the environment"""
    with zipfile.ZipFile(export / "autograder.zip") as archive:
        archive.extractall(to / "source")
    (to / "minires/bin").mkdir(parents=True)  # what setup.sh installs
    for name, module in (("python", ""), ("minires", "-m minires")):
        script = to / "minires/bin" / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        script.chmod(0o755)
    shutil.copy(to / "source/run_autograder", to / "run_autograder")
    (to / "run_autograder").chmod(0o755)
    shutil.copytree(submission, to / "submission")
    (to / "submission_metadata.json").write_text(json.dumps({"users": [{"email": "ada@example.org"}]}))
    (to / "results").mkdir()
    for path in (to, *to.rglob("*")) if user else ():
        os.chown(path, user, user)
    run(["./run_autograder"], to, {"user": user, "group": user, "extra_groups": []} if user else None, **env)
    path = to / "results/results.json"
    return json.loads(path.read_text())["score"] if path.exists() else None


def prairielearn(export, submission, to):
    shutil.copytree(export / "question/tests", to / "tests")
    shutil.copytree(submission, to / "student")
    (to / "data").mkdir()
    (to / "data/data.json").write_text('{"variant_seed": "1x"}')
    run(["/bin/sh", str(to / "tests/run.sh")], "/", GRADE=str(to))
    path = to / "results/results.json"
    return 8 * json.loads(path.read_text())["score"] if path.exists() else None


def autolab(export, submission, to):
    for file in ("autograde-Makefile", "autograde.tar"):
        shutil.copy(export / file, to)
    shutil.copytree(submission, to, dirs_exist_ok=True)
    out = run(["make", "-f", "autograde-Makefile"], to).stdout
    scores = json.loads(out.splitlines()[-1])["scores"]
    assert set(scores) == {"linear y", "linear dx", "linear dweight", "linear dbias"}
    return sum(scores.values())


def actions(export, submission, to):
    shutil.copytree(export / "repository", to, dirs_exist_ok=True)
    (to / "linear.py").unlink()
    shutil.copytree(submission, to, dirs_exist_ok=True)
    (line,) = [line for line in (to / ".github/workflows/check.yml").read_text().splitlines() if "run: minires" in line]
    command = line.partition("run: ")[2]
    found = run(["bash", "-e", "-o", "pipefail", "-c", command], to, GITHUB_STEP_SUMMARY=str(to / "summary.md"))
    words = (to / "summary.md").read_text().split()
    assert (words[1] == words[3]) == (found.returncode == 0)
    return float(words[1])


def classroom50(export, submission, to):
    checkout = to / "checkout"
    shutil.copytree(submission, checkout)
    about = dict.fromkeys(("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"), "x")
    found = run([sys.executable, str(export / "autograder/autograder.py")], checkout, **about)
    assert found.returncode == 0, found.stderr
    result = json.loads((checkout / "result.json").read_text())
    assert result["schema"] == "classroom50/result/v1" and result["classroom"] == "x"
    assert sum(test["score"] for test in result["tests"]) == result["score"] and result["max-score"] == 800
    assert sum(test["max-score"] for test in result["tests"]) == 800
    return result["score"] / 100


PLATFORMS = {each.__name__: each for each in (gradescope, prairielearn, autolab, actions, classroom50)}
