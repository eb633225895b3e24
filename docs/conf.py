"""How the site is built: `sphinx-build -W docs docs/build`. Pages of cells and of the reference are written first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))  # jaxrnn itself is the installed one, whose native library is built
os.environ.setdefault("MPLBACKEND", "Agg")

import jaxrnn  # noqa: E402

project = "jaxrnn"
author = copyright = "The jaxrnn authors"
version = release = jaxrnn.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "docstrings",
    "mathml",
    "searched",
    "written",
]
exclude_patterns = ["build", "extensions", "README.md"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_param = napoleon_use_rtype = napoleon_use_ivar = False
napoleon_numpy_docstring = False
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 100
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
html_theme = "furo"
html_title = f"jaxrnn {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_search_scorer = str(HERE / "static/scorer.js")
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#0b6e4f", "color-brand-content": "#0b6e4f"},
    "dark_css_variables": {"color-brand-primary": "#6fd3ae", "color-brand-content": "#6fd3ae"},
}
