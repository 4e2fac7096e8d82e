"""The frame of every page: one self-contained HTML document.

Styles are in its head and nothing is fetched; it follows the reader's light or dark mode and any width of screen.
"""

from importlib import resources

from sostruct.reports.markup import Html, join, tag, text
from sostruct.reports.palette import DARK, LIGHT, css_variables


def document(title: str, body: Html) -> str:
    """A complete page.

    Args:
        title: what the browser's tab says.
        body: header, main and footer.
    """
    head = join(
        (
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            tag("title", text(title)),
            tag("style", Html(style_sheet())),
        )
    )
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def style_sheet() -> str:
    """The page's styles: both palettes, then the layout."""
    layout = resources.files("sostruct.reports").joinpath("page.css").read_text(encoding="utf-8")
    light, dark = css_variables(LIGHT), css_variables(DARK)
    on_dark = f"@media screen and (prefers-color-scheme: dark) {{\n:root {{\n{dark}\n}}\n}}"
    return f"\n:root {{\n{light}\n}}\n{on_dark}\n{layout}"
