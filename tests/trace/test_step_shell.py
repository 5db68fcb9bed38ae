"""The step-through in a terminal: scripted sessions, and what the screens show."""

import io
import re

import numpy as np
import pytest

from minires import layers as L
from minires.models import build
from minires.trace.screen import WIDTH, numbers, screen, table
from minires.trace.shell import COMMANDS, HELP, run_shell
from minires.trace.stepper import Stepper

PROMPT = "\n\n(step) "


def stepper(name="resnet8", **settings):
    x = np.random.default_rng(0).standard_normal((4, 3, 8, 8), dtype=np.float32)
    return Stepper(build(name, rng=0, **settings), x, labels=np.array([0, 1, 2, 3]))


def session(s, *lines):
    """What is shown at the begin and after each line, without the prompts."""
    output = io.StringIO()
    run_shell(s, io.StringIO("".join(f"{line}\n" for line in lines)), output)
    return output.getvalue().rstrip("\n").split(PROMPT)


def test_a_first_session():
    s = stepper()
    first, into, over, bn, over_bn, back, end = session(s, "s", "", "next", "n", "b", "q")
    assert first.startswith("stop   0 of 126  -> forward: begin of the model (Sequential)\n")
    assert "\n-> the model                            Sequential\n" in first
    assert "\nx           4x3x8x8" in first and first.endswith("h is help, s a step, q the end")
    assert into.startswith("stop   1 of 126  -> forward: begin of stem (Sequential)\n")
    assert over.startswith("stop   2 of 126  -> forward: stem.conv (Conv2d)\n")
    assert bn.startswith("stop   3 of 126  -> forward: stem.bn (BatchNorm2d)\n")
    assert over_bn.startswith("stop   4 of 126  -> forward: stem.relu (ReLU)\n")
    assert back == bn and end == ""


def test_the_tree_shows_where_we_are_and_the_norms_so_far():
    s = stepper()
    (_, shown, _) = session(s, "u stage2.0.add.branch.bn1", "q")
    lines = shown.split("\n")
    tree = lines[lines.index("") + 1 : next(i for i, line in enumerate(lines) if line.split()[:1] == ["shape"])]
    assert [line.split()[:1] for line in tree] == [
        [name] for name in "the ... stage2 0 add ... branch conv1 -> relu1 conv2 ...".split()
    ]
    assert tree[8].startswith("->           bn1     ") and tree[8].endswith(f"|y| {np.linalg.norm(s.y):.4g}")
    assert tree[7].endswith(f"|y| {np.linalg.norm(s.x):.4g}") and tree[9].endswith("ReLU")


def test_a_fork_in_backward_shows_its_equation_with_numbers():
    s = stepper()
    (_, begin, end, _) = session(s, "u loss", "u norm(shortcut) > 0", "q")
    assert "-- loss " in begin and "SoftmaxCrossEntropy" in begin
    assert end.startswith("stop  85 of 126  <- backward: end of stage3.0.add (Residual)\n")
    assert "\n<-       add                            Residual             |dx| " in end
    shortcut, branch = s.terms["shortcut"].ravel(), s.terms["branch"].ravel()
    norms = {"dx": np.linalg.norm(s.dx), "shortcut": np.linalg.norm(shortcut), "branch": np.linalg.norm(branch)}
    cosine = shortcut @ branch / (norms["shortcut"] * norms["branch"])
    assert end.split("\n")[-3:] == [
        "dx = shortcut + branch",
        "   ".join(f"|{name}| {norm:.4g}" for name, norm in norms.items()),
        f"cosine(shortcut, branch) {cosine:+.3f}",
    ]


def test_where_shows_everything():
    s = stepper()
    s.until("stage2.0.add.branch.bn1")
    s.until("stage2.0.add.branch.bn1")
    short, full, _ = session(s, "w", "q")
    names = lambda text: re.findall(r"^(\w+) +\d+(?:x\d+)* +\S+ +\S+ +\S+ +\S+ +\S+%$", text, re.M)
    assert names(short) == ["dy", "dx", "dgamma", "dbeta"]
    assert names(full) == ["x", "y", "dy", "dx", "gamma", "beta", "dgamma", "dbeta"]
    assert full == str(s)
    plane = full.split("dx[0, 0, :4, :4]\n")[1].split("\n")
    np.testing.assert_allclose([[float(v) for v in row.split()] for row in plane], s.dx[0, 0], rtol=1e-3)


def test_print_an_array():
    s = stepper()
    s.until("stem.conv")
    _, whole, plane, again, weight, _ = session(s, "p y", "p y 2 5", "", "p weight", "q")
    assert whole.startswith(" " * 12 + "shape") and "\ny           4x16x8x8" in whole and "y[0, 0, :5, :7]\n" in whole
    rows = plane.split("y[2, 5, :5, :7]\n")[1].split("\n")
    np.testing.assert_allclose([[float(v) for v in row.split()] for row in rows], s.y[2, 5, :5, :7], rtol=1e-3)
    assert again == plane and "weight[0, 0, :3, :3]" in weight


def test_until_goto_list_and_the_ends():
    s = stepper()
    answers = session(s, "u ReLU", "", "g 0", "b", "list", "g 126", "s", "n", "o", "u nonfinite", "g 126", "l", "q")
    assert "stem.relu (ReLU)" in answers[1] and "stage1.0.add.branch.relu1 (ReLU)" in answers[2]
    assert answers[4] == "this is the first stop: s goes on"
    assert answers[5].startswith(">   0  -> forward: begin of the model (Sequential)\n    1  -> forward: begin of stem")
    assert answers[7] == answers[8] == "this is the last stop: b goes back, g 0 to the begin"
    assert answers[9] == "no container is around this stop: s goes on"
    assert answers[10] == "no stop after this one meets that: b and g go back in time"
    assert answers[11] == "that is this stop"
    last = answers[12].split("\n")[-1]
    assert last.startswith("> 126  <- backward: end of the model") and last.endswith(f"|dx| {np.linalg.norm(s.dx):.4g}")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("zz", "there is no command 'zz', expected step, next, out, back, until, goto, where,"),
        ("S", "there is no command 'S'"),
        ("u", "u needs a layer or a condition: u stage2.0.add"),
        ("u norm(q) > 1", "condition 'norm(q) > 1': there is no array q, expected one of beta,"),
        ("u stage2.0.ad", "layers of about that name: stage2.0.add,"),
        ("g", "g does not understand '', expected g 57"),
        ("g x", "g does not understand 'x', expected g 57"),
        ("g -1", "g does not understand '-1', expected g 57"),
        ("g 1 2", "g does not understand '1 2', expected g 57"),
        ("g 127", "stop 127 does not exist, expected 0 to 126"),
        ("g 99999999999", "g does not understand '99999999999'"),
        ("g ²", "g does not understand '²'"),
        ("p", "p needs the name of an array, expected one of x"),
        ("p dx", "there is no array 'dx' at this stop, expected one of x"),
        ("p x 4", "x has shape (4, 3, 8, 8), no plane at (4,): give indices of the axes before the last two"),
        ("p x 0 0 0", "no plane at (0, 0, 0)"),
        ("p x a", "p does not understand 'a', expected p x 0"),
    ],
)
def test_mistakes_are_answered(line, answer):
    s = stepper()
    _, said, _ = session(s, line, "q")
    assert answer in " ".join(said.split("\n")) and s.index == 0
    assert all(len(row) <= WIDTH for row in said.split("\n"))


def test_help_names_every_command_and_fits():
    _, said, _ = session(stepper(), "h", "q")
    assert said == HELP
    assert all(re.search(rf"^{command[0]}  {command} ", said, re.M) for command in COMMANDS)
    assert len({command[0] for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("end", ["", "q\n", "quit\n", "s\nq", "s"])
def test_the_end_of_input_and_quit_end_it(end):
    output = io.StringIO()
    run_shell(stepper(), io.StringIO(end), output)
    assert output.getvalue().endswith("(step) \n")


def test_the_standard_streams_are_the_default(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    run_shell(stepper())
    assert "end of the model" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["resnet8", "plain8", "resnet38"])
def test_every_screen_fits_a_terminal(name):
    s = stepper(name)
    moving = True
    while moving:
        short, full = screen(s).split("\n"), str(s).split("\n")
        assert all(len(line) <= WIDTH and line.isascii() for line in full)
        assert len(short) <= 22 and len(full) <= 36
        assert len([line for line in short if line[:2] in ("->", "<-", "--")]) == 1
        moving = s.step()


def test_a_fork_of_three_terms_and_numbers_that_are_not_finite():
    gate = L.Sequential(L.Linear(3, 3, rng=0), L.Sigmoid())
    dy = np.full((2, 3), np.inf, np.float32)
    s = Stepper(L.Gate(L.ReLU(), gate), np.zeros((2, 3), np.float32), dy=dy)
    s.goto(len(s.events) - 1)
    shown = str(s)
    assert "dx = shortcut + branch + gate" in shown and shown.count("cosine(") == 3
    assert "6 of 6 entries are NaN or infinite" in shown


def test_a_failed_run_says_so_at_every_stop():
    x = np.ones((2, 5), np.float32)
    s = Stepper(L.Sequential(L.ReLU(), L.Linear(4, 3, rng=0)), x, dy=x)
    first, last, _ = session(s, "n", "q")
    assert "ShapeError at stop 2, where the run ends: 1 (Linear): " in " ".join(first.split("\n"))
    assert last.startswith("stop 2 of 2  -> forward: failed in 1 (Linear)\n")
    assert "ShapeError here: 1 (Linear): " in " ".join(last.split("\n"))


def test_arrays_of_any_number_of_axes_and_none():
    corners = {(3,): ":3", (2, 3): ":2, :3", (2, 3, 4): "0, :3, :4", (2, 3, 4, 6, 9): "0, 0, 0, :5, :7"}
    for shape, corner in corners.items():
        s = Stepper(L.ReLU(), np.ones(shape), dy=np.ones(shape))
        assert s.step() and f"\ndx[{corner}]\n          1          1" in str(s)
    assert numbers("y", np.array(2.5)) == ["y", "        2.5"] and numbers("y", np.ones((0, 3))) == ["y[:0, :0]"]
    assert table({}) == [] and table({"x": np.ones((0, 3))})[1].split() == "x 0x3 0 nan nan nan nan%".split()
