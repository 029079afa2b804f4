#!/usr/bin/env python3
"""Makes the pictures of the README from pages of real runs.  pictures.py MOESIM [FOLDER]

Runs train-deepseek-v3 and place-deepseek-v3, makes their pages, and takes the picture of one section of each in headless
Chromium: reports/pictures/NAME.png, or FOLDER/NAME.png.
"""
import base64
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left beside the sources
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "pages"))
import browser

WIDTH = 960  # px: a README's column is about as wide
PICTURES = {
    "training": (["run", "train-deepseek-v3"], "gantt"),
    "placement": (["run", "place-deepseek-v3"], "maps"),
}


def picture(page, path, section):
    """The section without what opens on a click, as PNG."""
    page.look(WIDTH, "light")
    page.open(path)
    box = page.value(f"""(() => {{
        for (const e of document.querySelectorAll('details, output')) e.remove();
        const s = document.querySelector('#{section}');
        s.querySelectorAll('p.note:last-of-type').forEach(e => {{ if (e.parentElement === s) e.remove(); }});
        s.style.cssText = 'border: 0; margin: 0; padding: 16px 0';
        document.body.replaceChildren(s); s.style.cssText = 'border: 0; margin: 0; padding: 16px 24px';
        const b = s.getBoundingClientRect(); return [0, b.top + scrollY, innerWidth, b.height]; }})()""")
    shot = page.page("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                     clip={"x": box[0], "y": box[1], "width": box[2], "height": box[3], "scale": 1})
    return base64.b64decode(shot["data"])


def main():
    program = browser.find()
    if program is None:
        sys.exit("there is no " + ", ".join(browser.PROGRAMS))
    moesim = os.path.abspath(sys.argv[1])
    target = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else os.path.join(HERE, "pictures")
    os.makedirs(target, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures.") as folder:
        page = browser.Browser(program)
        for name, (arguments, section) in PICTURES.items():
            database, path = os.path.join(folder, name + ".db"), os.path.join(folder, name + ".html")
            subprocess.run([moesim, *arguments, "-o", database], check=True, cwd=folder, stdout=subprocess.DEVNULL)
            subprocess.run([moesim, "report", database, "-o", path], check=True, stdout=subprocess.DEVNULL)
            png = picture(page, path, section)
            with open(os.path.join(target, name + ".png"), "wb") as out:
                out.write(png)
            print(f"{os.path.join(target, name + '.png')}: {len(png) / 1e3:.0f} kB")
        page.close()


if __name__ == "__main__":
    main()
