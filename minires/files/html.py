"""Pages for the browser: one file that asks nobody for anything else."""

import base64
import hashlib
import html

TEMPLATE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src {script_hash}; style-src {style_hash}; img-src data:; connect-src {connect}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script type="module">{script}</script>
</body>
</html>
"""


def self_contained(
    title: str, style: str, body: str, script: str = "", language: str = "en", connect: str = "'none'"
) -> str:
    """The text of a page, to be written in UTF-8. Its content security policy allows this script and this style alone.

    title: plain text   style, script: CSS and JavaScript, from minires itself   body: HTML without style attributes
    language: of the text, such as "zh"   connect: where the script may ask, as a policy says it: nowhere, or "'self'"
    """
    return TEMPLATE.format(
        language=language,
        title=html.escape(title),
        style=style,
        style_hash=_hash(style),
        body=body,
        script=script,
        script_hash=_hash(script),
        connect=connect,
    )


def _hash(text):
    """How a content security policy names the one script, or style, that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
