"""Sphinx' settings: `make docs` builds build/docs from these pages, which GitHub shows as well."""

from __future__ import annotations

from butterfly_otel import __version__

project = "butterfly-otel"
copyright = "the authors of butterfly-otel; Apache License 2.0"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]
html_theme = "furo"
html_title = f"butterfly-otel {release}"
html_extra_path = ["prometheus_rules.yml", "prometheus_alerts.yml"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

# A link may lead to any heading, as on GitHub.
myst_heading_anchors = 3
# Likewise a picture, which GitHub takes as a plain block.
myst_fence_as_directive = ["mermaid"]

autodoc_typehints = "none"  # the signatures of the settings alone would fill a page
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# Fields of a dataclass are listed by its docstring already.
napoleon_use_ivar = True

# Others' classes have no page here, and neither have what is not public or only a name of a type.
nitpick_ignore_regex = [(r"py:.*", r"(?!butterfly_otel\.(runtime|errors)\.).*")]
# Pygments' PromQL knows no name with a colon, which every recorded series has.
suppress_warnings = ["misc.highlighting_failure"]
