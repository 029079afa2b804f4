#!/usr/bin/python3
"""Do the tests of a room notice when one of its lines is wrong?  See README.md beside this file.

    tests/mutate/mutate.py [--mutants 300] [--seed 1] [--minutes 60] [--sample-only]

Everything lies in build-mutate/: sample.json, the copy, reached.json, results.csv.  Started again it goes on.
"""
import argparse
import csv
import json
import os
import resource
import subprocess
import time

import tree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDER = f"{ROOT}/build-mutate"
TREE = f"{FOLDER}/tree"
LONGEST = 60  # s that a test may take beyond ten times what it took
MOST_BYTES = 8 << 30  # of address space: a loop that does not end may fill the machine before its time is up


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def load(name, make):
    path = f"{FOLDER}/{name}"
    if not os.path.exists(path):
        value = make()
        with open(path, "w") as out:
            json.dump(value, out, indent=1)
    return json.load(open(path))


def room_of(mutant):
    return mutant["file"].split("/")[1]


def run(program, environment, arguments, seconds):
    """Exit code, or "time"."""
    try:
        return subprocess.run([f"{TREE}/build/tests/{program}", *arguments], env={**os.environ, **environment},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
                              ).returncode
    except subprocess.TimeoutExpired:
        return "time"


def reached_by(program):
    """{test: {seconds, mutants}} of the tests that pass as things stand."""
    path = f"{FOLDER}/reached.{program}"
    if os.path.exists(path):
        os.remove(path)
    run(program, {"MUTANT_REACHED": path}, [], 3600)
    tests, seen = {}, set()
    for line in open(path):
        if line[0] in "TFS":
            how, milliseconds, test = line.split(" ", 2)
            if how == "T":
                tests[test.strip()] = {"seconds": int(milliseconds) / 1000, "mutants": sorted(seen)}
            seen = set()
        else:
            seen.add(int(line))
    say(f"{program}: {len(tests)} tests")
    return tests


def judge(mutant, reached):
    """(verdict, by): noticed by the first test that fails, crashes or does not end; quick tests first."""
    asked = 0
    order = []
    for program in tree.programs_of(ROOT, room_of(mutant)):
        tests = [(t["seconds"], name) for name, t in reached[program].items() if mutant["number"] in t["mutants"]]
        if tests:
            order.append((sum(s for s, _ in tests), program, [name for _, name in sorted(tests)]))
    for seconds, program, names in sorted(order):
        asked += len(names)
        for first in range(0, len(names), 400):
            code = run(program, {"MUTANT": str(mutant["number"])},
                       ["--gtest_fail_fast", "--gtest_filter=" + ":".join(names[first:first + 400])],
                       10 * seconds + LONGEST)
            if code != 0:
                return "noticed", program + ("" if code == 1 else f" ({code})")
    return "survived", f"{asked} tests come by" if asked else "no test comes by"


def table():
    path = f"{FOLDER}/results.csv"
    return {int(row["number"]): row for row in csv.DictReader(open(path))} if os.path.exists(path) else {}


def summarise(mutants, seed):
    rows = table()
    noticed = sum(r["verdict"] == "noticed" for r in rows.values())
    asked = [m for m in mutants if not m.get("dropped")]
    for row in rows.values():
        if row["verdict"] == "survived":
            print(f"{row['file']}:{row['line']}: {row['said']}  ({row['by']})")
    print(f"seed {seed}: {len(asked)} mutants, {len(rows)} tried, {noticed} noticed" +
          (f" ({100 * noticed / len(rows):.1f} %)" if rows else ""))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many; a later call goes on")
    parser.add_argument("--rooms", default="", help="only those of these rooms, for now: spec,numerics")
    parser.add_argument("--sample-only", action="store_true")
    parser.add_argument("--again", action="store_true", help="try the survivors again, against the tests of today")
    given = parser.parse_args()
    until = time.time() + 60 * given.minutes
    os.makedirs(FOLDER, exist_ok=True)
    mutants = load("sample.json", lambda: tree.sample(ROOT, given.mutants, given.seed, say))
    if given.sample_only:
        return
    asked = [m for m in mutants if not given.rooms or room_of(m) in given.rooms.split(",")]
    programs = sorted({p for m in asked for p in tree.programs_of(ROOT, room_of(m))})
    tree.write(ROOT, TREE, asked)
    tree.build(TREE, asked, programs, say)
    with open(f"{FOLDER}/sample.json", "w") as out:
        json.dump(mutants, out, indent=1)
    if given.again:
        for p in programs:
            if os.path.exists(f"{FOLDER}/reached.{p}.json"):
                os.remove(f"{FOLDER}/reached.{p}.json")
    reached = {p: load(f"reached.{p}.json", lambda: reached_by(p)) for p in programs}
    rows = table()
    if given.again:
        rows = {n: r for n, r in rows.items() if r["verdict"] == "noticed"}
    names = ["number", "file", "line", "said", "verdict", "by"]
    with open(f"{FOLDER}/results.csv", "w", newline="") as file:
        out = csv.DictWriter(file, names)
        out.writeheader()
        out.writerows(rows.values())
        for m in asked:
            if m["number"] in rows or m.get("dropped"):
                continue
            if time.time() > until:
                say("time is up")
                break
            verdict, by = judge(m, reached)
            row = {n: m.get(n, "") for n in names} | {"verdict": verdict, "by": by}
            out.writerow(row)
            file.flush()
            say(f"{m['number']}: {verdict}, {by}: {m['file']}:{m['line']}: {m['said']}")
    summarise(asked, given.seed)


main()
