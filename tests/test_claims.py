"""Pages that list things, and what they list."""
import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def test_the_pictures_of_the_maths_page_are_those_that_are_drawn():
    done = subprocess.run([sys.executable, DOCS / "make/pictures.py",
                           "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
