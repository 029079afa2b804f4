#!/usr/bin/env python3
"""Two programs onto one output: one is whole, the other is told who holds it.  Usage: writers.py PROGRAM"""
import os
import sqlite3
import subprocess
import sys
import tempfile

import verbs


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        verbs.prepare(program, folder)
        for name, words, ending in verbs.COMMANDS:
            output = "out" + ending
            both = [subprocess.Popen([program, *verbs.words_of(words, output, "600 s")], cwd=folder,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
            ends = [(p.wait(), p.stderr.read()) for p in both]
            losers = [said for code, said in ends if code != 0]
            expected = ("is being written by process", "already exists", "came to exist while it was being written")
            if len(losers) != 1 or not any(e in losers[0] for e in expected):
                sys.exit(f"writers: {name} ended with {ends}")
            if ending == ".db":
                db = sqlite3.connect(os.path.join(folder, output))
                if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                    sys.exit(f"writers: {name} left a damaged database")
                db.close()
            for n in os.listdir(folder):
                if n.startswith("out"):
                    os.remove(os.path.join(folder, n))
    print(f"writers: {len(verbs.COMMANDS)} commands, one whole and one refused each")


main()
