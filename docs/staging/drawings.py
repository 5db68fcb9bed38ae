"""Drawings of the page on the engine, as SVG that reads on light and dark ground."""

import re

STYLE = (
    "text{font:14px sans-serif;fill:#7a7f87}.in{fill:#fff}.box{fill:#2f6fb3}.fused{fill:#b3541e}.pixel{fill:#8fb6dd}"
    ".frame{fill:none;stroke:#7a7f87}"
)


SUM = "dw = ((dw 0 + dw 1) + dw 2) + dw 3"
# what the drawings say, in Chinese; what is not here is the same in both languages
CHINESE = {
    "conv 3x3": "卷积 3x3",
    "batch norm": "批归一化",
    "add": "相加",
    "conv, sum": "卷积，求和",
    "normalise, ReLU, conv, sum": "归一化，ReLU，卷积，求和",
    "normalise, add, ReLU, ...": "归一化，相加，ReLU，……",
    "layers: seven passes over memory": "逐层：读写内存七遍",
    "phases: three": "分阶段：三遍",
    "im2col: nine copies": "im2col：抄九遍",
    "1x1: none, the matrix is there": "1x1：不用抄，矩阵现成",
    "Winograd: 36 for 144": "Winograd：144 次乘法变 36 次",
    "6x6 inputs, 4x4 outputs": "输入 6x6，输出 4x4",
    "128 images": "128 张图像",
    f"{SUM}: whoever computed them, in this order": f"{SUM}：不管谁算的，都按这个次序相加",
    **{f"chunk {i}: 32 images": f"小批 {i}：32 张图像" for i in range(4)},
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
    layers = ["conv 3x3", "batch norm", "ReLU", "conv 3x3", "batch norm", "add", "ReLU"]
    above = [box(10 + 98 * i, 36, 90, name) for i, name in enumerate(layers)]
    phases = [(10, 90, "conv, sum"), (108, 286, "normalise, ReLU, conv, sum"), (402, 286, "normalise, add, ReLU, ...")]
    below = [box(x, 124, width, words, "fused") for x, width, words in phases]
    words = text(10, 24, "layers: seven passes over memory"), text(10, 110, "phases: three")
    return svg(700, 170, *words, *above, *below)


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
    parts = [text(10, 24, "128 images")]
    parts += [box(10 + 170 * i, 36, 160, f"chunk {i}: 32 images") for i in range(4)]
    parts += [box(10, 90, 670, f"{SUM}: whoever computed them, in this order", "fused")]
    return svg(700, 136, *parts)


def pages(language):
    """{name of the file: text} of all drawings."""
    drawn = {"plan": plan, "convolution": convolution, "chunks": chunks}
    return {f"pictures/engine_{name}.svg": in_language(draw(), language) for name, draw in drawn.items()}


def in_language(drawing, language):
    """The drawing with its words in ``language``."""
    if language == "en":
        return drawing
    return re.sub(r">([^<>]+)</text>", lambda found: f">{CHINESE.get(found[1], found[1])}</text>", drawing)
