"""Mutation testing: ``make mutation``, or ``make mutation ONLY=minires/layers/norm.py``.

mutmut changes one place of a function at a time; a change that no test notices survives. Every survivor must stand in
``survivors.txt`` with the reason why no test is asked to notice it, and everything there must still survive. One file
after the other is mutated, each against the tests of its own (``MORE``), in ``build/mutation``. The answer is meant for
an environment without PyTorch. Not mutated are the messages of ``raise`` (``setup.cfg``), and where only the letters of
another text differ, that counts as noticed (``wording``). Nor does mutmut mutate what stands outside of functions, and
decorated functions, properties among them. JOBS=2 tests two mutants at a time.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SURVIVORS = Path(__file__).with_name("survivors.txt")
SURVIVED = {0, 5, 33}  # exit codes of mutmut: every test passed, or none reached the place
LATE = {24, 36, 152, 255, -24}  # it ran out of time
KILLED = {1, 3, -11, -9} | LATE
ERRORS = "tests/test_errors.py"
EVERY = [
    f"tests/layers/test_backends.py::test_{name}"
    for name in (
        "numbers_are_those_of_numpy",
        "no_two_dtypes_are_mixed",
        "train_reaches_every_layer_inside",
        "an_error_inside_comes_with_the_path_of_its_layer",
        "forward_is_inference_unless_it_is_told",
    )
]
STATISTICS = [
    f"tests/models/test_statistics.py::test_{name}"
    for name in ("constant_statistics", "the_gradient_of_frozen_statistics_is_right", "statistics_that_are_none")
]
COMMON = ("base", "checks", "known", "tree", "watch")  # what all layers run through
# the files, and their tests beside tests/.../test_NAME.py for minires/.../NAME.py
MORE = {
    "minires/losses.py": [ERRORS, *EVERY],
    "minires/train/optim.py": [ERRORS],
    "minires/train/schedule.py": [],
    "minires/trace/audit.py": [],
    "minires/trace/paths.py": [],
    "minires/trace/telescope.py": [],
    **{
        str(path.relative_to(ROOT)): [ERRORS] if path.stem in COMMON else [ERRORS, *EVERY]
        for path in sorted(ROOT.glob("minires/layers/[a-z]*.py"))
    },
    "minires/layers/base.py": [ERRORS, *(f"tests/layers/test_{name}.py" for name in ("containers", "tree", "parts"))],
    "minires/layers/containers.py": [ERRORS, *EVERY, "tests/layers/test_known.py"],
    "minires/layers/norm.py": [ERRORS, *EVERY, *STATISTICS],
    "minires/layers/watch.py": ["tests/layers/test_base.py"],  # where observe is tested
}


def selection(path):
    """The tests of a file of minires: those that mirror it, where there are some, and more."""
    path = Path(path)
    mirrored = str(Path("tests", *path.parts[1:-1], f"test_{path.name}"))
    return [mirrored] * (ROOT / mirrored).exists() + MORE[str(path)]


def listed(text):
    """{(file, function, change): reason} of a list of survivors.

    A reason is a paragraph that starts with ``#``. Below it stand its survivors: ``file function``, and below that, set
    in, the lines that go (``-``) and those that come (``+``).
    """
    found, reason, place, change, fresh = {}, "", None, [], True
    for line in [*text.splitlines(), ""]:
        if change and not line.startswith("    "):
            key = (*place, "\n".join(change))
            assert key not in found, f"{key} is listed twice"
            found[key], change = reason, []
        if line.startswith("#"):
            reason, fresh = (line[1:].strip() if fresh else f"{reason} {line[1:].strip()}"), False
            continue
        fresh = True
        if line.startswith("    "):
            change.append(line.strip())
        elif line:
            place = tuple(line.split())
    return found


def prepare(path):
    """A folder in which mutmut finds the repository, and its settings for one file."""
    folder = ROOT / "build" / "mutation" / path.replace("/", ".").removesuffix(".py")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("minires", "tests"):
        (folder / name).symlink_to(ROOT / name)
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    settings["mutmut"]["only_mutate"] = path
    settings["mutmut"]["pytest_add_cli_args_test_selection"] = "\n".join(["", *selection(path)])
    with open(folder / "setup.cfg", "w") as file:
        settings.write(file)
    return folder


def wording(change):
    """Whether only the letters of a text differ: one with a blank in it, which no other code compares."""
    gone, come = (re.findall(r'"([^"]*)"', line) for line in change.split("\n+ "))
    differ = [(old, new) for old, new in zip(gone, come) if old != new]
    return bool(differ) and all(" " in old and new.strip("X").lower() == old.lower() for old, new in differ)


def results(path, folder):
    """{mutant: exit code}, as mutmut left them."""
    return json.loads((folder / "mutants" / f"{path}.meta").read_text())["exit_code_by_key"]


def mutmut(folder, *mutants):
    """Test these mutants, or all."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", os.environ.get("JOBS", "1"), *mutants]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "HYPOTHESIS_PROFILE": "mutation"}
    with open(folder / "log", "a") as log:
        code = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log).returncode
    if code:
        raise SystemExit(f"mutmut ended with {code}, see {log.name}")


def mutated(path):
    """Mutate a file. Returns ({(file, function, change)} of what survives, number of mutants)."""
    folder = prepare(path)
    mutmut(folder)
    late = [name for name, code in results(path, folder).items() if code in LATE]
    if late:
        mutmut(folder, *late)  # where it was the machine that was busy, they have a second chance
    return survivors(path, folder)


def survivors(path, folder):
    """As :func:`mutated`, from the results in the folder."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    codes = results(path, folder)
    unclear = {name: code for name, code in codes.items() if code not in SURVIVED | KILLED}
    if unclear:
        raise SystemExit(f"{path}: {len(unclear)} mutants were not tested to the end, such as {next(iter(unclear))}")
    found = set()
    os.chdir(folder)
    for name in (name for name, code in codes.items() if code in SURVIVED):
        function, kind = orig_function_and_class_names_from_key(name)
        diff = get_diff_for_mutant(name, path=path).splitlines()[2:]
        change = "\n".join(f"{line[0]} {line[1:].strip()}" for line in diff if line[0] in "+-")
        if not wording(change):
            found.add((path, f"{kind}.{function}" if kind else function, change))
    return found, len(codes)


def differences(found, known):
    """What the list lacks, and what stands there in vain, in the form of the list; empty where they agree."""
    blocks = [("survives", found - known), ("is listed, and does not survive", known - found)]
    return "".join(
        f"\n# {title}\n{file} {function}\n" + "".join(f"    {line}\n" for line in change.split("\n"))
        for title, keys in blocks
        for file, function, change in sorted(keys)
    )


def main(only):
    """Exit with 1 where the survivors are not those of the list."""
    unknown = set(only) - MORE.keys()
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: not among the files that are mutated: {', '.join(MORE)}")
    known, failed = set(listed(SURVIVORS.read_text())), False
    for path in only or MORE:
        found, count = mutated(path)
        report = differences(found, {key for key in known if key[0] == path})
        print(f"{path}: {count} mutants, {len(found)} survive{report and ', not as listed:'}\n{report}", flush=True)
        failed = failed or bool(report)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
