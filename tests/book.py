"""What tests of the book share: its pages in order, and a built page."""
import html.parser
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# the navigation: title and page, in the order of reading
NAV = re.findall(r"- (.+): ([\w-]+)\.md$",
                 (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
PAGES = [page for _, page in NAV]
CHAPTERS = [page for title, page in NAV if title[0].isdecimal()]
SOURCE = (ROOT / "microgpt.py").read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """What the tests ask of a built page: its code, headings and tags."""

    def __init__(self, text):
        super().__init__()
        self.numbered = []    # (line number, text) of every excerpt
        self.blocks = []      # texts of blocks without line numbers
        self.headings = []    # levels
        self.tags = []        # (tag, attributes)
        self._in_excerpt = self._in_code = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "table" and attributes.get("class") == "highlighttable":
            self._in_excerpt = True
        if tag == "code" and self.get_starttag_text() == "<code>":
            self._in_code = True
            self.blocks.append("")
        span = re.fullmatch(r"__span-\d+-(\d+)", attributes.get("id") or "")
        if span and self._in_excerpt:
            self.numbered.append((int(span[1]), ""))

    def handle_endtag(self, tag):
        if tag == "code" and self._in_code:
            self._in_code = False
            if self._in_excerpt:
                self.blocks.pop()
        if tag == "table":
            self._in_excerpt = False

    def handle_data(self, data):
        if self._in_code:
            self.blocks[-1] += data
            if self._in_excerpt:
                number, text = self.numbered[-1]
                self.numbered[-1] = number, text + data


def quick(code):
    """The same cell with few steps."""
    return code.replace("setting(1000, ", "setting(3, ")
