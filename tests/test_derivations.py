"""Each line of a derivation has an assert, and the assert can fail: a sign that is planted in the line is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLANTED = {  # {tutorial: [(a line's part, what is planted in its place), ...]}
    "01_a_layer_and_its_gradient": [
        ("assert np.allclose(dx, dy @ W)", "assert np.allclose(dx, -dy @ W)"),
        ("sum(dy[n, m] * W[m, d] for", "sum(dy[n, m] * W[m, d - 1] for"),
        ("sum(dy[n, m] * x[n, d] for", "sum(-dy[n, m] * x[n, d] for"),
        ("da * (a > 0)", "da * (a < 0)"),
        ('((terms["shortcut"] + terms["branch"]) * v)', '((terms["shortcut"] - terms["branch"]) * v)'),
    ],
    "02_gradient_checks_and_how_they_lie": [
        ("J @ v.ravel(), Jv.ravel()", "J @ v.ravel(), -Jv.ravel()"),
        ("(J.T @ dy.ravel()) @ v.ravel()", "(J.T @ dy.ravel()) @ -v.ravel()"),
        ("np.eye(3) - np.outer(y[0], y[0])", "np.eye(3) + np.outer(y[0], y[0])"),
        ("steps[1] ** 2 / 6 * third, rtol=0.01)  # the same", "steps[1] ** 2 / 3 * third, rtol=0.01)  # the same"),
    ],
    "03_convolution": [
        ("dpadded[n, c, row, column] += dy", "dpadded[n, c, row, column] -= dy"),
        ("dweight[m, c, i, j] += dy", "dweight[m, c, i, j] -= dy"),
        ("dcolumns = rows.T @ dY", "dcolumns = -rows.T @ dY"),
        ("[:, :, ::-1, ::-1].transpose", "[:, :, :, ::-1].transpose"),
    ],
    "04_batch_norm": [
        ("2 / m * (one - mu)", "2 / m * (one + mu)"),
        ("derivative(sigma_of, one), hat / m", "derivative(sigma_of, one), -hat / m"),
        ("(np.eye(m) - 1 / m - np.outer", "(np.eye(m) + 1 / m - np.outer"),
        ("- np.outer(hat, hat) / m) / s", "+ np.outer(hat, hat) / m) / s"),
        ("through_mean = -dx_hat", "through_mean = dx_hat"),
        ("through_variance = -hat", "through_variance = hat"),
    ],
    "05_losses_and_a_training_step": [
        ("p[0][:, None] * (np.eye(4) - p[0])", "p[0][:, None] * (np.eye(4) + p[0])"),
        ("np.where(np.arange(4) == t, -1 / p[0], 0)", "np.where(np.arange(4) == t, 1 / p[0], 0)"),
        ("(softmax(logits) - np.eye(4)[labels]) / 6", "(softmax(logits) + np.eye(4)[labels]) / 6"),
        ("np.log(np.exp(z).sum()) - z[0, 0])", "np.log(np.exp(z).sum()) + z[0, 0])"),
    ],
    "08_the_residual_add": [
        ("JT_dy = ((dy @ W2) * (h > 0)) @ W1", "JT_dy = -((dy @ W2) * (h > 0)) @ W1"),
        ("dx = dy + JT_dy", "dx = dy - JT_dy"),
    ],
    "09_the_one_plus": [
        ("r = [g[i + 1] @ J[i] for i in range(3)]", "r = [g[i] @ J[i] for i in range(3)]"),
        ("term = term + term @ J[j]", "term = term - term @ J[j]"),
    ],
    "11_shortcuts_and_gates": [
        ("t * (v @ J.T) + (1 - t) * v + (F - x) * t_dot", "t * (v @ J.T) + (1 - t) * v + (F + x) * t_dot")
    ],
    "14_bottlenecks_and_groups": [
        ("form_a = sum(C[g] @ u[g]", "form_a = -sum(C[g] @ u[g]"),
        ("ds = (x * dy).sum", "ds = -(x * dy).sum"),
        ("== [3, 5, 7, 1]", "== [3, 5, 7, 3]"),
        ("H.backward(dy[:, 16:], H_cache)", "H.backward(-dy[:, 16:], H_cache)"),
    ],
    "15_rank_and_rexnet": [("== d * (d + 1) // 2\n", "== d * (d - 1) // 2\n"), ("W[:4].T) == 4", "W[:4].T) == 5")],
    "16_networks_as_odes": [
        ("v1 = f1.backward(v2 / 2, cache_1)", "v1 = f1.backward(-v2 / 2, cache_1)"),
        ("- (order + 1)) < 0.1", "- order) < 0.1"),
    ],
    "17_without_batch_norm": [
        ("np.mean((x + F) ** 2) - 2)", "np.mean((x + F) ** 2) - 1)"),
        ("1.8 < growth < 2.2", "2.2 < growth < 2.6"),
        ("(F * g).sum())", "-(F * g).sum())"),
    ],
    "19_the_engine": [
        ("BT = np.linalg.inv(V).T", "BT = np.linalg.inv(V)"),
        ("b = norm.beta.data[:, None, None] - a * mean", "b = norm.beta.data[:, None, None] + a * mean"),
    ],
    "21_the_interview": [
        ("dz = (p - np.eye(10)[labels]) / 4", "dz = (p + np.eye(10)[labels]) / 4"),
        ("-g_hat.mean(axis=0) / s, -x_hat", "g_hat.mean(axis=0) / s, -x_hat"),
        ("conv.weight.data[:, :, ::-1, ::-1].transpose", "conv.weight.data.transpose"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_in_a_line_of_a_derivation_is_found(name, tmp_path):
    right = (ROOT / "tutorials" / f"{name}.py").read_text("utf-8")
    env = {**os.environ, "MINIRES_FAST": "1", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    for line, planted in PLANTED[name]:
        assert right.count(line) == 1, f"{name}: {right.count(line)} places have {line!r}"
        (tmp_path / "planted.py").write_text(right.replace(line, planted), "utf-8")
        ran = subprocess.run([sys.executable, "planted.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
        last = ran.stderr.strip().splitlines()[-1:]
        assert last and last[0].startswith("AssertionError"), f"{name}: nobody sees {planted!r}: {ran.stderr[-300:]}"
