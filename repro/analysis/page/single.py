"""All pages of a report in one file with their pictures inside, to send by mail."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

_BODY = re.compile(r"<body>(.*)</body>", re.S)
_PICTURE = re.compile(r'<img src="(figures/[^"]+\.png)"')
_PHONE = re.compile(r"<source[^>]*>\n?")
_ID = re.compile(r'\bid="([^"]+)"')
_LINK = re.compile(r'\bhref="([^"#]*?)(?:\.html)?(#[^"]*)?"')


def single_file(pages: Mapping[str, str], folder: Path) -> str:
    """The first page followed by the others.

    Args:
        pages: name of the file -> its HTML, the first page first; other endings are left out.
        folder: where the pictures lie.

    Links between the pages lead to their place inside; links to files of the folder become plain text. Pictures are
    WebP without loss, which takes less room than PNG; a phone shows the wide ones, which scroll.
    """
    first, *others = [name for name in pages if name.endswith(".html")]
    known = {name.removesuffix(".html") for name in (first, *others)}
    bodies = [_body(pages[name], name.removesuffix(".html"), known) for name in (first, *others)]
    head = pages[first].split("<body>")[0]
    text = f'{head}<body class="single">\n' + "\n".join(bodies) + "\n</body>\n</html>\n"
    return _PICTURE.sub(lambda found: f'<img src="{_inside(folder / found[1])}"', _PHONE.sub("", text))


def _body(page: str, name: str, known: set[str]) -> str:
    """The body of a page with ids and links of its own."""
    found = _BODY.search(page)
    body = _ID.sub(lambda one: f'id="{name}-{one[1]}"', found[1] if found else "")

    def link(one: re.Match[str]) -> str:
        target, place = one[1], (one[2] or "")[1:]
        if target and target not in known:
            return ""  # a file of the folder, which is not here
        return f'href="#{target or name}{"-" + place if place else ""}"'

    return f'<div id="{name}">{_LINK.sub(link, body)}</div>'


def _inside(path: Path) -> str:
    out = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(out, "WEBP", lossless=True, quality=100, method=4)  # 6 takes sixty times as long
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()
