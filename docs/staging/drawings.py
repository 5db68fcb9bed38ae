"""Drawings of the page on the engine, as SVG that reads on light and dark ground."""

import json
import re
from pathlib import Path

from minires.engine.cpu.constants import CHUNK

STYLE = (
    "text{font:14px sans-serif;fill:#7a7f87}.in{fill:#fff}.box{fill:#2f6fb3}.fused{fill:#b3541e}.pixel{fill:#8fb6dd}"
    ".frame{fill:none;stroke:#7a7f87}.frame2{fill:#7a7f87}.wait{stroke:#7a7f87;stroke-dasharray:5 4}"
)


LADDER = Path(__file__).parents[2] / "bench/results/engine/ladder.json"
SUM = "dw = ((dw 0 + dw 1) + dw 2) + dw 3"
BRANCH = ["conv 3x3", "batch norm", "ReLU", "conv 3x3", "batch norm"]
OPERATIONS = (
    (10, 130, "convolution"),
    (150, 170, "join: norm, ReLU"),
    (330, 130, "convolution"),
    (470, 220, "join: norm, add, ReLU"),
)
PHASES = ((80, 122, "conv, sum"), (222, 246, "normalise, ReLU, conv, sum"), (488, 202, "normalise, add, ReLU"))
THREADS = ("fused", "box", "fused", "box")  # chunk k belongs to thread k modulo two
LEGEND = ((366, "fused"), (486, "box"))  # before the words: the colours of the threads
# what the drawings say, in Chinese; what is not here is the same in both languages
CHINESE = {
    "conv 3x3": "卷积 3x3",
    "batch norm": "批归一化",
    "convolution": "卷积",
    "join: norm, ReLU": "合并：归一化，ReLU",
    "join: norm, add, ReLU": "合并：归一化，相加，ReLU",
    "conv, sum": "卷积，求和",
    "normalise, ReLU, conv, sum": "归一化，ReLU，卷积，求和",
    "normalise, add, ReLU": "归一化，相加，ReLU",
    "Residual": "残差 Residual",
    "Identity": "恒等 Identity",
    "layers: a tree": "层：一棵树",
    "operations": "运算",
    "phases": "阶段",
    "thread 0": "线程 0",
    "thread 1": "线程 1",
    "all wait: statistics": "全体等待：统计量",
    **{f"chunk {i}": f"小批 {i}" for i in range(4)},
    "the layers, as they are written": "按写出来的样子逐层算",
    "layout (H, W, n, C), fused joins": "内存布局 (H, W, n, C)，合并的运算",
    "in chunks": "分成小批",
    "1 x 1 and three channels without columns": "1 x 1 与三通道不再抄列",
    "Winograd": "Winograd 算法",
    "two threads": "两个线程",
    "a helper process for the second": "第二个线程换成辅助进程",
    "im2col: nine copies": "im2col：抄九遍",
    "1x1: none, the matrix is there": "1x1：不用抄，矩阵现成",
    "Winograd: 36 for 144": "Winograd：144 次乘法变 36 次",
    "6x6 inputs, 4x4 outputs": "输入 6x6，输出 4x4",
    f"{4 * CHUNK} images": f"{4 * CHUNK} 张图像",
    f"{SUM}: whoever computed them, in this order": f"{SUM}：不管谁算的，都按这个次序相加",
    **{f"chunk {i}: {CHUNK} images": f"小批 {i}：{CHUNK} 张图像" for i in range(4)},
}


def svg(width, height, *parts):
    inside = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><style>{STYLE}</style>{inside}</svg>\n'
    )


def box(x, y, width, words, kind="box", height=34):
    middle = f'x="{x + width / 2}" y="{y + height / 2 + 5}" text-anchor="middle"'
    drawn = f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
    return f'{drawn}<text class="in" {middle}>{words}</text>'


def text(x, y, words, anchor="start"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>'


def grid(x, y, rows, columns, side, filled=()):
    return "".join(
        f'<rect class="{"pixel" if (r, c) in filled else "frame"}" x="{x + c * side}" y="{y + r * side}" '
        f'width="{side - 2}" height="{side - 2}"/>'
        for r in range(rows)
        for c in range(columns)
    )


def plan():
    """The tree of a residual block, its operations, and the phases: chunks as rows, threads as colours."""
    tree = [box(10, 34, 590, "Residual", "frame2"), box(610, 34, 80, "ReLU")]
    tree += [box(20 + 96 * i, 74, 88, name) for i, name in enumerate(BRANCH)] + [box(508, 74, 82, "Identity")]
    operations = [box(x, 146, width, words) for x, width, words in OPERATIONS]
    parts = [text(10, 24, "layers: a tree"), *tree, text(10, 136, "operations"), *operations]
    parts += [text(10, 212, "phases"), text(440, 212, "thread 0", "end"), text(560, 212, "thread 1", "end")]
    parts += [f'<rect class="{kind}" x="{x}" y="200" width="14" height="14" rx="3"/>' for x, kind in LEGEND]
    for x, width, words in PHASES:
        parts += [text(x, 238, words)]
        parts += [box(x, 248 + 28 * c, width, "", THREADS[c], 22) for c in range(4)]
    parts += [f'<path class="wait" d="M{x} 240V366"/>' for x in (212, 478)]
    parts += [text(x, 384, "all wait: statistics", "middle") for x in (212, 478)]
    parts += [text(10, 263 + 28 * c, f"chunk {c}") for c in range(4)]
    return svg(700, 396, *parts)


def convolution():
    inputs, tile, window = (every(6, 6), every(4, 4), every(9, 6))
    parts = text(10, 24, "im2col: nine copies"), grid(10, 36, 9, 6, 17, window)
    parts += text(190, 24, "1x1: none, the matrix is there"), grid(190, 36, 4, 12, 17, every(4, 12))
    parts += text(470, 24, "Winograd: 36 for 144"), grid(470, 36, 6, 6, 17, inputs)
    parts += text(582, 92, "→"), grid(606, 53, 4, 4, 17, tile), text(470, 160, "6x6 inputs, 4x4 outputs")
    return svg(700, 200, *parts)


def every(rows, columns):
    return {(r, c) for r in range(rows) for c in range(columns)}


def chunks():
    parts = [text(10, 24, f"{4 * CHUNK} images")]
    parts += [box(10 + 170 * i, 36, 160, f"chunk {i}: {CHUNK} images") for i in range(4)]
    parts += [box(10, 90, 670, f"{SUM}: whoever computed them, in this order", "fused")]
    return svg(700, 136, *parts)


def ladder():
    """What was measured by bench/ladder.py, as bars."""
    rows = json.loads(LADDER.read_text(encoding="utf-8"))["cpu"]
    most, parts = max(row["times_faster"] for row in rows), []
    for k, row in enumerate(rows):
        width = 300 * row["times_faster"] / most
        parts += [text(300, 33 + 30 * k, row["rung"], "end"), box(310, 16 + 30 * k, round(width), "", "fused", 24)]
        parts += [text(318 + round(width), 33 + 30 * k, f"{row['times_faster']:.2f}")]
    return svg(700, 16 + 30 * len(rows), *parts)


def pages(language):
    """{name of the file: text} of all drawings."""
    drawn = {"plan": plan, "convolution": convolution, "chunks": chunks, "ladder": ladder}
    return {f"pictures/engine_{name}.svg": in_language(draw(), language) for name, draw in drawn.items()}


def in_language(drawing, language):
    """The drawing with its words in ``language``."""
    if language == "en":
        return drawing
    return re.sub(r">([^<>]+)</text>", lambda found: f">{CHINESE.get(found[1], found[1])}</text>", drawing)
