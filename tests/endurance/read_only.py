#!/usr/bin/env python3
"""Results in a folder that may only be read, and outputs into it.  Usage: read_only.py PROGRAM"""
import os
import shutil
import subprocess
import sys
import tempfile

import verbs

NOBODY = 65534  # to whom root's right to write everywhere does not extend


def main():
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "moesim")
        shutil.copy(sys.argv[1], program)  # a build folder may be closed to others
        verbs.prepare(program, folder)
        subprocess.run([program, *verbs.words_of(verbs.COMMANDS[0][1], "run.db", "20 s")], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        if os.path.exists(os.path.join(folder, "run.db-wal")):
            sys.exit("read_only: the results are more than one file")
        os.chmod(folder, 0o555)
        before = sorted(os.listdir(folder))
        as_user = {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}

        def tried(words, code, said=""):
            done = subprocess.run([program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True, **as_user)
            if done.returncode != code or said not in done.stderr:
                sys.exit(f"read_only: {' '.join(words)} ended with {done.returncode}: {done.stderr}")

        tried(["compare", "run.db", "run.db"], 0)
        tried(["trace", "info", "in.db"], 0)
        for name, words, ending in verbs.COMMANDS:
            tried(verbs.words_of(words, "out" + ending, "20 s"), 2, "cannot be written: Permission denied")
        tried(verbs.words_of(verbs.COMMANDS[0][1], "run.db", "20 s"), 2, "already exists")
        if sorted(os.listdir(folder)) != before:
            sys.exit("read_only: something was written")
        os.chmod(folder, 0o755)
    print(f"read_only: results are read, {len(verbs.COMMANDS)} commands refuse to write")


main()
