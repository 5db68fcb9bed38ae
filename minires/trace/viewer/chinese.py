"""The page in Chinese: its scripts by the pairs of chinese.txt, the reasons in a document by those of the reports."""

import re

from ..said import pairs, require_language, said


def script_in(script, language):
    """The text of ``script`` with its sentences in ``language``; a longer one is taken before its parts."""
    require_language(language)
    if language == "zh":
        known = pairs(__package__)
        for english in sorted(known, key=len, reverse=True):
            script = pattern(english).sub(lambda _, english=english: known[english], script)
    return script


def pattern(english):
    """What finds ``english`` in a script, whatever the place of its line breaks."""
    return re.compile(r"\s+".join(re.escape(word) for word in english.split()))


def document_in(document, language):
    """A document whose reasons, why the 1 is not exact, are in ``language``; what has no translation stays."""
    require_language(language)
    if language == "en":
        return document
    blocks = [
        block | {"breaks": [{key: said(language, text) for key, text in each.items()} for each in block["breaks"]]}
        for block in document["blocks"]
    ]
    return document | {"blocks": blocks}
