#!/usr/bin/env python3
"""Ends the program at random moments and looks at what is left.  Usage: kills.py PROGRAM [KILLS] [SEED]"""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import verbs

SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
MARKS = {"run", "assumption", "sweep"}  # say that something began; they go with an output that holds nothing else
LATEST = 1.5  # s; commands that end earlier are ended at an earlier moment next time


def fail(what):
    sys.exit(f"kills: {what}")


def rows(file):
    """Rows of each table, as a reader sees them; nothing if there is no database yet."""
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5) as db:
            tables = [t for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            out = {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables if t not in MARKS}
        db.close()
        return out
    except sqlite3.OperationalError:
        return {}


def check_whole(file):
    db = sqlite3.connect(file)
    found = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    if found != "ok":
        fail(f"{file} is damaged: {found}")


def left_of(folder, output):
    """Where the rows of `output` are now: there, or where the next run moved them."""
    stem, ending = os.path.splitext(output)
    names = [n for n in os.listdir(folder) if n == output or (n.startswith(stem + ".unfinished") and n.endswith(ending))]
    return [os.path.join(folder, n) for n in names]


def one(program, folder, command, longest, rng):
    name, words, ending = command
    output = "out" + ending
    precious = rng.random() < 0.2  # something of the user's stands there already
    if precious:
        with open(os.path.join(folder, output), "w") as f:
            f.write("precious")
    process = subprocess.Popen([program, *verbs.words_of(words, output)], cwd=folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    start, when, how = time.monotonic(), rng.uniform(0, longest[name]), rng.choice(SIGNALS)
    seen = {}
    while time.monotonic() - start < when and process.poll() is None:
        if ending == ".db" and not precious and name in ("run", "sweep"):
            seen = rows(os.path.join(folder, output)) or seen
        time.sleep(0.01)
    if process.poll() is None:
        process.send_signal(how)
        asked = time.monotonic()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            fail(f"{name} did not end on {how.name} after {when:.2f} s")
        slow = time.monotonic() - asked
        by_itself = process.returncode == (2 if precious else 0)  # it ended before the signal came
        if how != signal.SIGKILL and not by_itself and process.returncode not in (-how, 128 + how):
            fail(f"{name} ended with {process.returncode} on {how.name} after {when:.2f} s: {process.stderr.read()}")
    else:
        slow, longest[name] = 0, max(0.01, 0.95 * min(longest[name], time.monotonic() - start))
    told = process.stderr.read()
    path = os.path.join(folder, output)
    if precious:
        if open(path).read() != "precious":
            fail(f"{name} wrote over a file of the user's")
        os.remove(path)
    if ending == ".db" and os.path.exists(path):
        check_whole(path)
    for table, count in seen.items():
        if rows(path).get(table, 0) < count:
            fail(f"{name}: {table} had {count} rows, now {rows(path).get(table, 0)} after {how.name}; said {told!r}")
    again = subprocess.run([program, *verbs.words_of(words, output, "20 s")], cwd=folder, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    done = "already exists" in again.stderr and finished(path)
    if again.returncode != 0 and not done:
        fail(f"{name} is blocked after {how.name} at {when:.2f} s: {again.stderr}")
    for table, count in seen.items():
        if max((rows(f).get(table, 0) for f in left_of(folder, output)), default=0) < count:
            fail(f"{name}: the next run lost rows of {table}")
    for n in os.listdir(folder):
        if n.startswith("out"):
            target = os.path.join(folder, n)
            shutil.rmtree(target) if os.path.isdir(target) else os.remove(target)
    return slow


def finished(path):
    """A file that has its name is whole; a database says so."""
    if not path.endswith(".db"):
        return True
    db = sqlite3.connect(path)
    whole = db.execute("PRAGMA application_id").fetchone()[0] == 0x6D6F6573
    trace = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'trace'").fetchone()[0] == 1
    if trace:
        whole = db.execute("SELECT value FROM trace WHERE key = 'state'").fetchone()[0] == "complete"
    db.close()
    return whole


def main():
    program = os.path.abspath(sys.argv[1])
    # Under nohup the commands would ignore it, as they should; one that is handled here is not ignored there.
    signal.signal(signal.SIGHUP, lambda *_: None)
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    longest = {name: LATEST for name, _, _ in verbs.COMMANDS}
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        verbs.prepare(program, folder)
        for i in range(kills):
            slowest = max(slowest, one(program, folder, verbs.COMMANDS[i % len(verbs.COMMANDS)], longest, rng))
            if (i + 1) % 50 == 0:
                print(f"kills: {i + 1} so far", file=sys.stderr, flush=True)
    print(f"kills: {kills} over {len(verbs.COMMANDS)} commands, nothing lost; at most {slowest:.2f} s to end")


main()
