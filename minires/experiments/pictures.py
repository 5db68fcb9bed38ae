"""Pictures of experiments as SVG for a page: no style attributes, which its policy forbids, and ink of its colour."""

import re
from xml.etree import ElementTree

from ..errors import StateError
from ..files import new_figure, svg

STYLE = {
    "svg.fonttype": "none",  # texts stay texts
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.2,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.markersize": 4,
}
SIZE = 4.8, 3.2  # inches of 72 units; some 350 pixels on a phone, so that letters of 10 units can be read
WIDE = 8.4, 3.0  # of three axes or more, to be scrolled there
GEOMETRY = ("d", "x", "y", "transform", "points", "cx", "cy", "x1", "x2", "y1", "y2", "width", "height")
DROPPED = ("metadata", "style", "title")


def picture(experiment, numbers, name):
    """The SVG element, as text, that ``experiment`` draws of the ``numbers`` of all seeds; its class is "wide" or "".

    name: stands before all names in it

    Raises StateError where matplotlib is not installed.
    """
    try:
        figure = new_figure(figsize=SIZE, layout="constrained")
    except ImportError as error:
        raise StateError(
            "matplotlib is not installed, expected for the pictures of the report: pip install 'minires[plot]'"
        ) from error
    import matplotlib

    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        experiment.draw(numbers, figure)
        if wide := len(figure.axes) > 2:
            figure.set_size_inches(WIDE)
        written = svg(figure)
    return _for_a_page(written, name, "wide" if wide else "")


def _for_a_page(written, name, kind):
    root = ElementTree.fromstring(written)
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in DROPPED:
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(key): value for key, value in element.attrib.items()}
        attributes |= _presentation(attributes.pop("style", ""))
        element.attrib.clear()
        element.attrib.update({key: _value(key, value, name) for key, value in attributes.items()})
    _drop_unused_names(root)
    del root.attrib["width"], root.attrib["height"], root.attrib["version"]
    root.attrib.update({"class": kind, "aria-hidden": "true"})
    return re.sub(r"\n\s*", "", ElementTree.tostring(root, encoding="unicode"))


def _local(tag):
    return tag.rpartition("}")[2]


def _presentation(style):
    """The attributes that say the same as a style attribute; of the font only size and slant."""
    pairs = dict(map(str.strip, part.split(":", 1)) for part in style.split(";") if ":" in part)
    font = pairs.pop("font", "")
    if size := re.search(r"([\d.]+)px", font):
        pairs["font-size"] = size[1]
    if "italic" in font or "oblique" in font or pairs.get("font-style") == "oblique":
        pairs["font-style"] = "italic"
    pairs.pop("font-family", None)
    return pairs


def _value(key, value, name):
    if key == "id":
        return f"{name}-{value}"
    if key == "href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    if key == "clip-path":
        return value.replace("url(#", f"url(#{name}-")
    if key in GEOMETRY:
        return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value)
    return "currentColor" if value == "#000000" else value


def _drop_unused_names(root):
    """Most names are for nobody."""
    used = {name for e in root.iter() for value in e.attrib.values() for name in re.findall(r"#([^)]+)", value)}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
