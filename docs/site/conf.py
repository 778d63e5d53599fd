"""How `make docs` makes a site of the documents; the sources are the same files that a Git host shows."""

import os
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

# Where the packages of package-lock.json are; the Makefile says it.
PACKAGES = Path(os.environ["DOCS_PACKAGES"]) / "node_modules"

project = "Fieldmerge"
author = "The authors of Fieldmerge"
extensions = ["myst_parser"]

# The sources stand where they stand, so that a link between two of them is right in both places.
root_doc = "docs/index"
include_patterns = ["docs/**.md", "*.md", "examples/*/README.md", "benchmarks/*.md"]
exclude_patterns = [".*", "**/.*", "**/node_modules", "app", "sync", "tests", "migrations", "docs/site"]

myst_enable_extensions = ["linkify"]
myst_linkify_fuzzy_links = False
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

suppress_warnings = ["toc.empty_glob"]  # a page may not be written yet

html_theme = "furo"
html_title = "Fieldmerge"
html_static_path = ["static", str(PACKAGES / "mermaid" / "dist" / "mermaid.min.js")]
html_extra_path = ["extra"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False


class Mermaid(Directive):
    """A diagram, as the text that mermaid.js draws it from; without JavaScript the text can be read."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The text in a `pre`, nothing of it as HTML."""
        text = "\n".join(self.content)
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        return [nodes.raw("", f'<pre class="mermaid">{escaped}</pre>', format="html")]


def setup(app: Sphinx) -> None:
    """Mermaid from the site's own files: nothing is fetched from anywhere."""
    app.add_directive("mermaid", Mermaid)
    app.add_js_file("mermaid.min.js", loading_method="defer")
    app.add_js_file("diagrams.js", loading_method="defer")
