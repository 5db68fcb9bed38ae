"""The laboratory below the cell of a notebook, also where Python runs in the browser; needs the extra ``notebook``."""

import json
from functools import cache
from typing import Any

from ..errors import StateError
from .choices import one_of
from .lab import Lab
from .page import TITLES, facts, module, style

START = """
export default { render({ model, el }) {
  const waiting = new Map();
  const answered = ({ number, answer }) => { waiting.get(number)?.(JSON.parse(answer)); waiting.delete(number); };
  model.on("msg:custom", answered);
  let number = 0;
  const ask = (request) => new Promise((done) => {
    waiting.set(++number, done);
    model.send({ number, request });
  });
  const end = render({ el, facts: model.get("facts"), ask });
  return () => { model.off("msg:custom", answered); end(); };
} };
"""


def to_widget(language: str = "en") -> Any:
    """A widget that shows the laboratory, with a :class:`~minires.lab.Lab` of its own.

    language: "en" or "zh"   Raises StateError where anywidget is not installed.
    """
    shown = facts(one_of("language", language, tuple(TITLES)))
    return _widget_class()(facts=shown)


@cache
def _widget_class():
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise StateError(
            f"{error.name} is not installed, expected for a widget: pip install 'minires[notebook]', or run minires lab"
        ) from error

    class LabWidget(anywidget.AnyWidget):
        _esm = module() + START
        _css = style()
        facts = traitlets.Dict().tag(sync=True)

        def __init__(self, **traits):
            super().__init__(**traits)
            self.lab = Lab()
            self.on_msg(self._answer)

        def _answer(self, _, content, buffers):
            answer = json.dumps(self.lab.respond(content["request"]))  # as text: Pyodide hands None on as undefined
            self.send({"number": content["number"], "answer": answer})

    return LabWidget
