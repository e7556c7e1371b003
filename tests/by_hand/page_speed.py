"""How long do Node and the page take for the default run, next to CPython?

    python tests/by_hand/page_speed.py              print the ratios
    python tests/by_hand/page_speed.py SITE 3       with a site built before, in 3 rounds

All three in turn, from the start of the program, or from the press on Train,
to the last sample. Only ratios within one run mean something. The page draws
and takes ninety samples more than the program on its way.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(site, rounds=5):
    """{name: {"ratio": median, "least": ..., "most": ...}} of the time that
    CPython takes over the time that each takes. Needs node and playwright."""
    from playwright.sync_api import sync_playwright

    node = shutil.which("node")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    ratios = {"node": [], "page": []}

    def program(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=[
            "--no-sandbox", "--disable-gpu"])

        def page_run():
            page.get_by_role("button", name="Train", exact=True).click()
            page.get_by_text("Done: step").wait_for(timeout=300_000)

        for _ in range(rounds):
            page = browser.new_page()
            page.goto(f"{pathlib.Path(site).resolve().as_uri()}/train.html")
            python = seconds(lambda: program(sys.executable, ROOT / "microgpt.py"))
            ratios["node"].append(python / seconds(
                lambda: program(node, ROOT / "tests/node.js")))
            ratios["page"].append(python / seconds(page_run))
            page.close()
        browser.close()
    return {name: {"ratio": statistics.median(all_), "least": min(all_),
                   "most": max(all_)} for name, all_ in ratios.items()}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:])), indent=1))
    else:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "-d",
                            folder], cwd=ROOT, check=True)
            print(json.dumps(measure(folder), indent=1))
