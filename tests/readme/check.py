#!/usr/bin/env python3
"""Runs the commands of a Markdown file's console blocks and compares what they print.

A block ```console holds `$ command` lines, each followed by the output expected on stdout and stderr together.
A line `...` stands for any lines.  In a block ```console shape, numbers are compared as "a number": they depend on the
processor's floating-point kernels or on the clock.  A block ```console skip is not run (it needs files a reader brings).
A block ```python NAME.py becomes a file of that name.
Commands run in one empty folder, in order, with the built program on the PATH; `sim/setup.sh` lines are not run.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def blocks(text):
    for language, kind, body in re.findall(r"^```(console|python) ?([\w.]*)\n(.*?)^```", text, re.M | re.S):
        if language == "python":
            yield "file", kind, body
            continue
        command, expected = None, []
        for line in body.splitlines() + ["$ "]:
            if line.startswith("$ "):
                if command:
                    yield kind, command, expected
                command, expected = line[2:].strip(), []
            else:
                expected.append(line)


def blur(line):
    line = re.sub(r"\b[0-9a-f]{16}\b", "#", line)
    line = re.sub(r"[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)? ?([munpkMGTPE]?(s|B|B/s|FLOP/s|J))?\b", "#", line)
    return re.sub(r"[\s=-]+", " ", line).strip()


def matches(expected, actual):
    if not expected:
        return not actual
    if expected[0].strip() == "...":
        return any(matches(expected[1:], actual[i:]) for i in range(len(actual) + 1))
    return bool(actual) and expected[0] == actual[0] and matches(expected[1:], actual[1:])


def main():
    failed = passed = 0
    environment = dict(os.environ, PATH=f"{ROOT}/build:{os.environ['PATH']}")
    with open(sys.argv[1]) as file:
        text = file.read()
    with tempfile.TemporaryDirectory() as folder:
        for kind, command, expected in blocks(text):
            if kind == "file":
                with open(os.path.join(folder, command), "w") as file:
                    file.write(expected)
                continue
            if kind == "skip" or command.startswith(("sim/setup.sh", "git clone", "cd ")):
                continue
            try:
                done = subprocess.run(command, shell=True, cwd=folder, env=environment, text=True, timeout=300,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            except subprocess.TimeoutExpired:
                failed += 1
                print(f"$ {command}\n--- did not end within 300 s")
                continue
            actual = [l.rstrip() for l in done.stdout.splitlines()]
            wanted = [l.rstrip() for l in expected]
            if kind == "shape":
                actual, wanted = [blur(l) for l in actual], [blur(l) for l in wanted]
            if matches(wanted, actual) and done.returncode in (0, 1, 2):
                passed += 1
                continue
            failed += 1
            print(f"$ {command}\n--- README\n" + "\n".join(wanted) + f"\n--- printed (exit {done.returncode})\n" + "\n".join(actual))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
