#!/usr/bin/env python3
"""Spoils a good page in every way that check.py looks for, and sees whether check.py notices.  spoiled.py MOESIM"""
import os
import sqlite3
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left beside the sources
import browser
import check
import scenarios

VIEWS = [(1280, "light", ""), (1280, "dark", ""), (688, "light", "print")]  # what is wrong shows in each
SPOILED = {
    "an image": ("<main>", '<main><img src="http://127.0.0.1:9/x.png" alt="x">'),
    "a style attribute": ("<main>", '<main style="color:red">'),
    "a script of others": ("<main>", "<main><script>console.log(1)</script>"),
    "a changed script": ("'use strict';", "'use strict';console.log(2);"),
    "a mark less": ('class="mk fa"', 'class="fa"'),
    "a key figure off": ('data-value="', 'data-value="9'),
    "text over text": ("<h2>", '<h2><svg height="0"><text x="0" y="10">over the other</text></svg>'),
    "a page too wide": ("<main>", "<main><table><tr>" + "<td>wider and wider</td>" * 30 + "</tr></table>"),
    "an empty heading": ("<h2>", "<h2></h2><h2>"),
    "nothing assumed": ('id="assumed"', 'id="other"'),
    "a chart without a name": ('role="img" aria-label="', 'role="img" data-label="'),
}


def main():
    program = browser.find()
    if program is None:
        print("skipped: there is no " + ", ".join(browser.PROGRAMS))
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix="pages.") as folder:
        moesim = os.path.abspath(sys.argv[1])
        out = scenarios.make(moesim, "training", scenarios.SCENARIOS["training"], folder)
        subprocess.run([moesim, "report", out], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        good = open(os.path.join(folder, "training.html"), encoding="utf-8").read()
        page = browser.Browser(program)
        for name, (there, instead) in {"nothing": ("", ""), **SPOILED}.items():
            path = os.path.join(folder, "spoiled.html")
            assert there in good, name
            with open(path, "w", encoding="utf-8") as file:
                file.write(good.replace(there, instead, 1) if there else good)
            problems = check.check_page(page, path, sqlite3.connect(out), None, VIEWS)
            noticed = bool(problems) == (name != "nothing")
            print(f"{name}: {problems[0][:100] if problems else 'good'}" + ("" if noticed else "  NOT NOTICED"))
            failed += not noticed
        page.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
