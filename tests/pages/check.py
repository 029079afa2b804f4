#!/usr/bin/env python3
"""Opens the page of every study in a browser and looks at it: light, dark and printed, on a desk and on a telephone.

    check.py MOESIM [DATABASE...] [--keep FOLDER]

Without databases it runs one small scenario a study.  Checked are: nothing is loaded and nothing is said on the console,
every chart draws as many marks as it says and its table holds as many, key figures are those of the database, no two texts
lie over each other and none leaves the page, keyboard and buttons do what they say.  Exit code 77 without a browser.
"""
import argparse
import os
import re
import sqlite3
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left beside the sources
import browser
from scenarios import SCENARIOS, cut_short, make, without_answer

HERE = os.path.dirname(os.path.abspath(__file__))
LOOK = open(os.path.join(HERE, "look.js"), encoding="utf-8").read()
VIEWS = [(1280, "light", ""), (1280, "dark", ""), (390, "light", ""), (390, "dark", ""), (720, "light", ""), (688, "light", "print"),
         (390, "light", "print")]
PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


def close(a, b, off):
    return abs(a - b) <= off * max(abs(a), abs(b), 1e-12)


def written(text):
    """The number a key figure shows, in SI units, and half of its last digit."""
    match = re.match(r"(-?[\d,]+(?:\.(\d+))?(?:e[+-]?\d+)?) ?(.*)", text)
    number, digits, unit = match.group(1).replace(",", ""), len(match.group(2) or ""), match.group(3)
    value = float(number)
    half = 0.5 * 10.0 ** -digits
    known = {"%": 0.01, "min": 60.0, "h": 3600.0, "d": 86400.0}
    factor = known.get(unit, PREFIXES.get(unit[:1], 1.0) if unit[1:] in ("s", "B", "J", "tokens/s", "B/s", "FLOP/s") else 1.0)
    if unit in ("h", "hours", "days"):
        factor = None  # a metric may be in hours itself
    return value, half, factor


def check_keys(keys, database):
    problems = []
    for key in keys:
        query = (key["sql"],) if key["sql"] else ("SELECT value FROM metric WHERE name = ? AND scope = ?", (key["metric"], key["scope"]))
        row = database.execute(*query).fetchone()
        if row is None or not close(row[0], key["value"], 1e-10):
            problems.append(f"key figure {key['metric']} is {key['value']}, the database has {row}")
            continue
        value, half, factor = written(key["text"])
        factors = [factor] if factor else [1.0, 3600.0, 86400.0, 1 / 24]
        if not any(abs(value * f - row[0]) <= 1.01 * half * f + 1e-9 * abs(row[0]) or close(value * f, row[0], 6e-4) for f in factors):
            problems.append(f"key figure {key['metric']} shows {key['text']}, the database has {row[0]}")
    return problems


def check_marks(figures):
    problems = []
    for f in figures:
        if f["said"] == 0 or f["drawn"] != f["said"] or (f["hasTable"] and f["table"] != f["said"]):
            problems.append(f"chart {f['id']} says {f['said']} marks, draws {f['drawn']}, its table has {f['table']}")
        if f["height"] < 20 or f["width"] < 100:
            problems.append(f"chart {f['id']} is {f['width']} x {f['height']}")
    return problems


def check_keyboard(page):
    """The theme's button, a chart read by arrow keys, a table sorted by its head."""
    problems = []
    before = page.value("getComputedStyle(document.body).backgroundColor")
    page.value("document.querySelector('#theme').click()")
    if page.value("getComputedStyle(document.body).backgroundColor") == before:
        problems.append("the button changes no colours")
    page.value("document.querySelector('#theme').click()")
    for i in range(page.value("document.querySelectorAll('.map').length")):
        page.value(f"document.querySelectorAll('.map')[{i}].focus()")
        for _ in range(2):
            page.page("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
        if not page.value(f"document.querySelectorAll('.map')[{i}].closest('figure').querySelector('.read').textContent"):
            problems.append(f"map {i} says nothing to arrow keys")
    sorted_table = page.value("""(() => { for (const t of document.querySelectorAll('figure table')) {
        const i = [...t.tBodies[0].rows[0]?.cells ?? []].findIndex(c => c.dataset.v !== undefined);
        if (i < 0 || t.tBodies[0].rows.length < 2) continue;
        t.tHead.rows[0].cells[i].querySelector('button').click();
        const v = [...t.tBodies[0].rows].map(r => r.cells[i].dataset.v).filter(x => x !== undefined).map(Number);
        if (v.some((x, k) => k > 0 && x < v[k - 1])) return 'not sorted'; }
        return 'ok'; })()""")
    if sorted_table != "ok":
        problems.append("a table does not sort")
    answer = page.page("Runtime.evaluate", awaitPromise=True, returnByValue=True, expression="""new Promise(done => {
        const box = [...document.querySelectorAll('.many')].find(b => b.clientHeight > 0);
        if (!box) return done('ok');
        const hidden = () => box.querySelectorAll('tbody[hidden]').length, before = hidden();
        box.scrollTop = box.scrollHeight;
        setTimeout(() => done(hidden() < before ? 'ok' : 'not shown'), 300); })""")
    if answer["result"].get("value") != "ok":
        problems.append("a long table stays short when one scrolls")
    return problems


def check_sql(page, database):
    """Every query beside a chart gives rows as it stands, in any client."""
    problems = []
    shown = page.value("""[...document.querySelectorAll('main section')].map(s => [s.id, s.querySelectorAll('figure').length,
        [...s.querySelectorAll(':scope > details:last-of-type pre code')].map(c => c.textContent).filter(t => t.startsWith('-- '))])""")
    for section, charts, queries in shown:
        if charts and not queries:
            problems.append(f"section {section} has charts and no SQL")
        for query in queries:
            try:
                if database.execute(query).fetchone() is None:
                    problems.append(f"section {section}: no row comes of {query[:200]}")
            except sqlite3.Error as error:
                problems.append(f"section {section}: {error}: {query[:200]}")
    return problems


def check_settings(database):
    """Every setting has its value."""
    lines = [line for (text,) in database.execute("SELECT resolved FROM run") for line in (text or "").splitlines()]
    return [f"a setting has no value: {line}" for line in lines if re.search(r": (-|\[-[],].*)$", line)]


def check_timeline(page, folder):
    """Nothing is opened before the button is pressed with a file; then one site is, and is handed the file once it answers."""
    if not page.value("document.querySelector('#timeline-go') !== null"):
        return []
    page.value("""window.opened = []; window.got = [];
        window.open = site => { opened.push(site); return { postMessage(what, where) { got.push([what.perfetto ? what.perfetto.title : what, where]); } }; }""")
    page.value("document.querySelector('#timeline-go').click()")
    early = page.value("opened.length")
    file = os.path.join(folder, "timeline.json")
    with open(file, "w", encoding="utf-8") as out:
        out.write("{}")
    root = page.page("DOM.getDocument")["root"]["nodeId"]
    node = page.page("DOM.querySelector", nodeId=root, selector="input[data-timeline]")["nodeId"]
    page.page("DOM.setFileInputFiles", nodeId=node, files=[file])
    page.value("document.querySelector('#timeline-go').click()")
    page.page("Runtime.evaluate", expression="new Promise(done => setTimeout(done, 500))", awaitPromise=True)
    page.value("""for (const origin of ['https://elsewhere.example', 'https://ui.perfetto.dev'])
        dispatchEvent(new MessageEvent('message', { origin, data: 'PONG' }))""")
    opened, got = page.value("opened"), page.value("got")
    pings = [g for g in got if g[0] == "PING"]
    if early or opened != ["https://ui.perfetto.dev"] or not pings or got[len(pings):] != [["timeline.json", "https://ui.perfetto.dev"]]:
        return [f"the timeline's button opens {early} before, then {opened}, and sends {got[:4]}"]
    return []


def check_faults(page, database):
    """Every chart over time marks every fault of the scenario and every new plan."""
    settings = (database.execute("SELECT resolved FROM run WHERE study = 'serving'").fetchone() or ("",))[0] or ""
    faults = len(set(re.findall(r"^serving\.faults\[(\d+)\]\.at: ", settings, re.M)))
    plans = database.execute("SELECT count(DISTINCT value) FROM metric WHERE name = 'rebalance_at'").fetchone()[0]
    drawn = page.value("[...document.querySelectorAll('#time figure svg.map')].map(m => m.querySelectorAll('.limit').length)")
    return [] if all(n == faults + min(plans, 200) for n in drawn) else [f"{faults} faults and {plans} new plans are marked {drawn} times"]


def check_file(path):
    text = open(path, encoding="utf-8").read()
    body = text[text.index("</head>"):text.rindex("<script>")]
    problems = []
    if re.search(r"\sstyle\s*=", body):
        problems.append("has a style attribute")
    if re.search(r"\son\w+\s*=", body) or "<script" in body:
        problems.append("has a script of others")
    if re.search(r"(src|href)\s*=", body):
        problems.append("refers to another file")
    if len(text) > 5_000_000:
        problems.append(f"is {len(text)} bytes")
    return problems


def has_run(database):
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone() is not None


def check_page(page, path, database, keep, views=VIEWS):
    problems = check_file(path)
    page.look(1280, "light")
    page.open(path)
    papers = set()
    for width, scheme, media in views:
        page.look(width, scheme, media)
        seen = page.value(LOOK)
        here = f"{width} px, {media or scheme}"
        papers.add((scheme, media, seen["paper"]))
        found = [f"{len(seen['problems'])} texts, first {seen['problems'][:4]}"] if seen["problems"] else []
        found += check_marks(seen["figures"])
        if seen["width"] > width:
            found.append(f"is {seen['width']} px wide")
        if seen["unnamed"] or seen["empty"]:
            found.append(f"{seen['unnamed']} charts without a name, {seen['empty']} headings without an answer")
        if not seen["figures"] or not seen["texts"]:
            found.append("nothing is drawn")
        if media == "print" and seen["screen"]:
            found.append("the button is printed")
        if (width, scheme, media) == views[0]:
            found += check_keys(seen["keys"], database)
            if not seen["keys"] and not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trace_experts'").fetchone():
                found.append("no key figures")
        problems += [f"{here}: {f}" for f in found]
        if keep:
            page.shoot(os.path.join(keep, f"{os.path.basename(path)[:-5]}-{width}-{media or scheme}.png"), seen["height"])
    if not page.value("document.querySelector('#assumed li') !== null"):
        problems.append("says nothing of what is assumed")
    if len({p for s, m, p in papers if not m}) != 2 or any(p != "rgb(255, 255, 255)" for s, m, p in papers if m):
        problems.append(f"light, dark and print have papers {sorted(papers)}")
    page.look(1280, "light")
    problems += check_keyboard(page)
    problems += check_timeline(page, os.path.dirname(path))
    if has_run(database):
        problems += check_sql(page, database) + check_settings(database)
    if has_run(database) and "sweep" not in path:
        problems += check_faults(page, database)
    state = (database.execute("SELECT state FROM run").fetchone() or ("complete",))[0] if has_run(database) else "complete"
    if page.value("document.body.firstElementChild.className === 'alarm'") != (state != "complete") and "sweep" not in path:
        problems.append(f"a run that is {state} " + ("does not say so at the top" if state != "complete" else "has an alarm"))
    for e in page.events:
        method, what = e.get("method"), e.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            problems.append(f"the console says {str(what)[:300]}")
        if method == "Network.requestWillBeSent" and what["request"]["url"] != "file://" + path:
            problems.append(f"asks for {what['request']['url']}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moesim")
    parser.add_argument("databases", nargs="*")
    parser.add_argument("--keep", help="a folder for the pages and their pictures")
    given = parser.parse_args()
    program = browser.find()
    if program is None:
        print("skipped: there is no " + ", ".join(browser.PROGRAMS))
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix="pages.") as folder:
        moesim = os.path.abspath(given.moesim)
        databases = given.databases or [make(moesim, n, a, folder) for n, a in SCENARIOS.items()]
        recorded = os.path.join(folder, "passes.trace.db")
        databases += [recorded] if os.path.exists(recorded) else []
        if not given.databases:
            databases += [cut_short(databases[0]), without_answer(os.path.join(folder, "plan.db"))]
        page = browser.Browser(program)
        for database in databases:
            name = os.path.splitext(os.path.basename(database))[0]
            path = os.path.join(given.keep and os.path.abspath(given.keep) or folder, name + ".html")
            if os.path.exists(path):
                os.remove(path)
            subprocess.run([moesim, "report", database, "-o", path], check=True, stdout=subprocess.DEVNULL)
            problems = check_page(page, path, sqlite3.connect(database), given.keep)
            ready = page.value("performance.getEntriesByType('navigation')[0].domInteractive")
            print(f"{name}: {os.path.getsize(path) / 1e3:.0f} kB, interactive in {ready:.0f} ms, " + (f"{len(problems)} problems" if problems else "good"))
            for p in problems:
                print("  " + p)
            failed += bool(problems)
        page.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
