#!/usr/bin/env python3
"""Every size of address space: a verb works, or says in one line what it lacks.  Usage: small_memory.py PROGRAM"""
import os
import resource
import subprocess
import sys
import tempfile

SIZES = [60, 130, 200, 310, 1000]  # MB
SLOW = 1  # the command that takes seconds; in the smallest size and one that is nearly enough
COMMANDS = [
    ["list", "models"],
    ["run", "quickstart", "--set", "expect=[]", "--set", "routing.record.limit=200", "-o", "out.db"],
    ["run", "train-mixtral-8x7b", "-o", "out.db"],
    ["record", "--model", "small.yaml", "--synthetic", "--text", "text.txt", "-o", "out.db"],
]


def main():
    program = os.path.abspath(sys.argv[1])
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "text.txt"), "w") as out:
            out.write("Experts are chosen token by token. " * 4)
        with open(os.path.join(folder, "small.yaml"), "w") as out:
            out.write("extends: deepseek-v2-lite\nlayers: 6\n")
        for i, size in enumerate(SIZES):
            for n, command in enumerate(COMMANDS):
                if n == SLOW and i % 3 != 0:
                    continue
                limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (size * 10**6, size * 10**6))
                try:
                    done = subprocess.run([program, *command], cwd=folder, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.PIPE, text=True, timeout=100, preexec_fn=limit)
                except subprocess.TimeoutExpired:
                    sys.exit(f"small_memory: {' '.join(command[:2])} does not end in {size} MB")
                if done.returncode not in (0, 2) or done.returncode == 2 and done.stderr.count("\n") != 1:
                    sys.exit(f"small_memory: {' '.join(command[:2])} in {size} MB ended with {done.returncode}: {done.stderr}")
                refused += done.returncode == 2
                for name in os.listdir(folder):
                    if name.startswith("out"):
                        os.remove(os.path.join(folder, name))
    print(f"small_memory: {len(COMMANDS)} commands in {len(SIZES)} sizes, {refused} refused in one line, none hangs")


main()
