"""What tests with a browser share: Chromium, the site from a file and from a
server, and a page that complained of nothing and fetched nothing elsewhere."""
import contextlib
import functools
import http.server
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium here")]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(site):
    """Address of a server of the site. It keeps its log to itself."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@contextlib.contextmanager
def reading(browser, address, **settings):
    """A page. In the end nothing was complained of, or fetched elsewhere."""
    context = browser.new_context(**settings)
    page, told, asked = context.new_page(), [], []
    page.set_default_timeout(5000)
    page.set_default_navigation_timeout(20000)
    page.on("console", lambda m: told.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.wait_for_timeout(20)  # for what is still to be told
    context.close()
    assert not [line for line in told if not line.startswith(("log", "info"))]
    assert asked
    assert not [url for url in asked
                if not url.startswith((address + "/", "data:", "blob:"))]


@pytest.fixture(params=["file", "http"])
def address(request, site):
    return (site.as_uri() if request.param == "file"
            else request.getfixturevalue("server"))


@pytest.fixture
def page(browser, address):
    with reading(browser, address) as page:
        yield page


# What the theme's copying asks the browser for, it tells us instead.
LISTEN = """
window.taken = [];
document.execCommand = () => window.taken.push(document.activeElement.value);
navigator.clipboard.writeText = async (text) => window.taken.push(text);
"""


def taken(page):
    """[n] of [classes of a block, what it shows, what its button copies]."""
    return page.evaluate("""() => [...document.querySelectorAll(
        ".md-code__button[data-md-type=copy]")].map((button) => {
            window.taken = [];
            button.click();
            return [button.closest(".highlight").className, document
                .querySelector(button.dataset.clipboardTarget).textContent,
                ...window.taken];
        })""")


WIDTHS = [1280, 390]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The text of axe, from the folder that AXE names, or from npm."""
    folder = pathlib.Path(os.environ.get("AXE") or tmp_path_factory.mktemp("axe"))
    path = folder / "node_modules/axe-core/axe.min.js"
    if not path.exists():
        if not shutil.which("npm"):
            pytest.skip("there is no npm to get axe-core with")
        done = subprocess.run(["npm", "install", "--prefix", folder, "axe-core@4"],
                              capture_output=True, text=True)
        if done.returncode:
            pytest.skip("npm could not get axe-core")
    return path.read_text(encoding="utf-8")
