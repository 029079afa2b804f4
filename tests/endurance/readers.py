#!/usr/bin/env python3
"""Readers while a run and a sweep write: one stays open, one polls.  Usage: readers.py PROGRAM"""
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import verbs


def open_when_there(file):
    while True:
        try:
            db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, check_same_thread=False)
            db.execute("SELECT count(*) FROM run").fetchall()
            return db
        except sqlite3.OperationalError:
            time.sleep(0.01)


def poll(file, stop, problems):
    while not stop.is_set():
        try:
            db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            db.execute("SELECT count(*) FROM metric").fetchall()
            db.close()
        except sqlite3.OperationalError as e:
            if "unable to open" not in str(e):  # not there yet
                problems.append(str(e))
        time.sleep(0.005)


def watched(program, folder, words, output, idle):
    file, stop, problems, kept = os.path.join(folder, output), threading.Event(), [], []
    threads = [threading.Thread(target=poll, args=(file, stop, problems))]
    if idle:
        threads.append(threading.Thread(target=lambda: kept.append(open_when_there(file))))
    for t in threads:
        t.start()
    done = subprocess.run([program, *verbs.words_of(words, output, "600 s")], cwd=folder, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    stop.set()
    for t in threads:
        t.join()
    if done.returncode != 0 or problems:
        sys.exit(f"readers: {words[0]} ended with {done.returncode}: {done.stderr}; readers met {problems[:3]}")
    for db in kept:  # sees all of it, and may go
        state = db.execute("SELECT DISTINCT state FROM run").fetchall()
        if state != [("complete",)]:
            sys.exit(f"readers: {output} is {state}")
        db.close()
    db = sqlite3.connect(file)
    if db.execute("PRAGMA integrity_check").fetchone() != ("ok",) or not db.execute("SELECT 1 FROM metric").fetchone():
        sys.exit(f"readers: {output} is damaged or empty")
    db.close()


def main():
    program = os.path.abspath(sys.argv[1])
    commands = {name: words for name, words, _ in verbs.COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        verbs.prepare(program, folder)
        for idle in (False, True):
            for name in ("run", "run that records", "sweep"):
                watched(program, folder, commands[name], f"{name.replace(' ', '-')}-{idle}.db", idle)
    print("readers: 6 outputs read while they were written, all whole")


main()
