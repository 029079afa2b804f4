#!/usr/bin/env python3
"""Every verb that writes, onto a disk that is full.  Usage: full_disk.py PROGRAM"""
import os
import sqlite3
import subprocess
import sys
import tempfile

import verbs

SKIP = 77  # what ctest takes for a skipped test
KIB = 96   # less than any output below, but what a schedule's drawing and a placement take


def mount(folder, kib):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], stderr=subprocess.DEVNULL)


def try_all(program, folder, disk):
    refused = 0
    for name, words, ending in verbs.COMMANDS:
        output = os.path.join(disk, "out" + ending)
        with open(os.path.join(disk, "mine"), "w") as mine:
            mine.write("precious")
        command = [program, *verbs.words_of(words, output, "600 s")]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode not in (0, 2) or done.returncode == 2 and output[:-4] not in done.stderr:
            sys.exit(f"full_disk: {name} ended with {done.returncode}: {done.stderr}")
        refused += done.returncode == 2
        if open(os.path.join(disk, "mine")).read() != "precious":
            sys.exit(f"full_disk: {name} wrote over another file")
        if done.returncode == 2 and os.path.exists(output):
            if ending != ".db":
                sys.exit(f"full_disk: {name} left half a file")
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)  # now there is room: nothing blocks it
        if done.returncode == 2:
            again = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if again.returncode != 0:
                sys.exit(f"full_disk: {name} is blocked afterwards: {again.stderr}")
            if ending == ".db":
                db = sqlite3.connect(output)
                if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                    sys.exit(f"full_disk: {name} left a damaged database")
                db.close()
        for n in os.listdir(disk):
            os.remove(os.path.join(disk, n))
        subprocess.run(["mount", "-o", f"remount,size={KIB}k", disk], check=True)
    export = f"{program} trace export in.db > {disk}/cut.jsonl"
    done = subprocess.run(export, shell=True, cwd=folder, stderr=subprocess.PIPE, text=True)
    if done.returncode != 2 or done.stderr != "standard output: cannot be written: No space left on device\n":
        sys.exit(f"full_disk: export to stdout ended with {done.returncode}: {done.stderr}")
    return refused


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "disk")
        os.mkdir(disk)
        if mount(disk, KIB).returncode != 0:
            print("full_disk: skipped, no right to mount a small disk")
            sys.exit(SKIP)
        try:
            verbs.prepare(program, folder)
            refused = try_all(program, folder, disk)
        finally:
            subprocess.run(["umount", disk], check=True)
    if refused < 5:
        sys.exit(f"full_disk: only {refused} commands met the full disk")
    print(f"full_disk: {len(verbs.COMMANDS)} commands, {refused} met a full disk and said so; none is blocked afterwards")


main()
