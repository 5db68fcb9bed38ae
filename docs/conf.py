"""The site, as Sphinx builds it from the folder that staging/ fills: see `make docs`."""

import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from staging.digest import package_digest  # noqa: E402

HERE = Path(__file__).parent

project = "minires"
author = "The minires developers"
language = os.environ.get("DOCS_LANGUAGE", "en")
copyright = {"zh": "minires 的开发者，MIT 许可证"}.get(language, "the minires developers, MIT licence")

extensions = ["myst_nb", "sphinx_design", "sphinx.ext.mathjax"]
root_doc = "index"
source_suffix = {".md": "myst-nb"}
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
add_module_names = False
python_maximum_signature_line_length = 100

# One catalogue a document, whose mark of the English text makes a stale translation visible.
locale_dirs = [str(HERE / "locale")]
gettext_compact = False
gettext_uuid = False
gettext_location = False

# What a tutorial printed is kept only for the sources that printed it.
nb_execution_mode = "cache"
nb_execution_cache_path = os.environ.get("DOCS_CACHE", str(HERE / "_build" / "cache" / package_digest()))
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 600
logging.getLogger("traitlets").setLevel(logging.WARNING)  # a package of the theme lets every logger speak
nb_merge_streams = True
nb_code_prompt_show = {"zh": "显示答案"}.get(language, "Show the answer")
nb_code_prompt_hide = {"zh": "收起答案"}.get(language, "Hide the answer")

html_theme = "furo"
html_title = "minires"
templates_path = [str(HERE / "_templates")]
html_static_path = [str(HERE / "_static"), str(HERE / "_build" / "static")]
html_extra_path = [str(HERE.parent / "bench" / "results" / "experiments" / "report.html")]
html_css_files = ["minires.css"]
html_copy_source = False
html_show_sphinx = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
# MathJax comes along, so that the formulas stand without a network: `make docs` puts it there.
mathjax_path = "mathjax/tex-svg-full.js"
