#!/usr/bin/env python3
"""Verbs whose stdout is closed or full, and long work that is asked to end.  Usage: streams.py PROGRAM [TABLES | stdout]

TABLES: a folder of measured kernels (h100_*.csv), for `calibrate`; without it that verb is left out.
stdout: only that; nobody is asked to end."""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import verbs

OBEYED, ASKED = 0.5, (0.7, 1.5)  # s: a signal within; when it comes
TRIES = 3  # where the machine is busy with others' work, one may be late

# Words after `moesim`; {} is a name to write to.
PRINTING = {
    "help": ["--help"],
    "version": ["--version"],
    "list": ["list"],
    "list as JSON": ["list", "gate", "--json"],
    "show a model": ["show", "deepseek-v3"],
    "show models": ["show", "mixtral-8x7b", "deepseek-v3", "--json"],
    "show claims": ["show", "--claims"],
    "show a cluster": ["show", "h800-32", "--collectives"],
    "draw a cluster": ["show", "h800-32", "--draw", "svg"],
    "explain": ["explain", "quickstart"],
    "explain a model": ["explain", "--model", "deepseek-v2-lite", "--json"],
    "schedule": ["schedule", "dualpipe"],
    "dry run": ["run", "train-mixtral-8x7b", "--dry-run"],
    "run": ["run", "base.yaml", "-o", "{}"],
    "run as JSON": ["run", "base.yaml", "--json", "-o", "{}"],
    "sweep": ["sweep", "sweep.yaml", "-o", "{}"],
    "record": ["record", "--model", "small.yaml", "--synthetic", "--text", "text.txt", "--limit", "50", "-o", "{}"],
    "loss": ["loss", "--model", "small.yaml", "--synthetic", "--text", "text.txt", "--limit", "50"],
    "trace info": ["trace", "info", "in.db"],
    "trace stats": ["trace", "stats", "in.db", "--json"],
    "trace export": ["trace", "export", "in.db"],
    "trace import": ["trace", "import", "in.jsonl", "-o", "{}"],
    "place": ["place", "--trace", "in.db", "--strategy", "eplb", "--gpus", "8"],
    "print a placement": ["place", "--trace", "in.db", "--strategy", "eplb", "--gpus", "8", "--format", "csv"],
    "compare": ["compare", "shard1.db", "shard2.db"],
    "diff": ["diff", "shard1.db", "shard2.db"],
    "assemble": ["assemble", "--parent", "weights", "--parent", "weights", "-o", "{}"],
}

LONG = {
    "serving": ["run", "serve-mixtral-8x7b", "--set", "serving.duration=100000 s", "--set", "expect=[]", "-o", "{}"],
    "training": ["run", "train-mixtral-8x7b", "--set", "training.steps=100000", "-o", "{}"],
    "a training run": ["run", "base.yaml", "--set", "training.run={tokens: 1e13, checkpoint: {interval_hours: 1e-9}}",
                       "-o", "{}"],
    "passes": ["run", "quickstart", "--set", "routing={kind: log_normal, sigma: 0.4}", "--set",
               "passes.decode.steps=100000", "--set", "expect=[]", "-o", "{}"],
    "passes that record": ["run", "quickstart", "--set", "routing.record.limit=1000000", "--set",
                           "routing.record.decode=100000", "-o", "{}"],
    "placements": ["run", "place-deepseek-v3", "--set", "place.strategies=[local_search]", "--set",
                   "expect=[]", "-o", "{}"],
    "place": ["place", "--trace", "long.db", "--strategy", "local_search", "--gpus", "32", "--nodes", "4", "--slots",
              "288"],
    "sweep": ["sweep", "sweep.yaml", "--jobs", "2", "-o", "{}"],
    "long points of a sweep": ["sweep", "long.yaml", "--jobs", "2", "-o", "{}"],
    "record": ["record", "--model", "deepseek-v2-lite", "--synthetic", "--text", "long.txt", "--limit", "150000", "-o", "{}"],
    "loss": ["loss", "--model", "deepseek-v2-lite", "--synthetic", "--text", "long.txt", "--limit", "150000"],
    "schedule": ["schedule", "1f1b", "--stages", "64", "--micro-batches", "50000"],
    "draw a schedule": ["schedule", "dualpipe", "--stages", "64", "--micro-batches", "20000", "--svg", "{}"],
    "trace import": ["trace", "import", "long.jsonl", "-o", "{}"],
    "trace stats": ["trace", "stats", "long.db"],
    "trace export": ["trace", "export", "long.db"],
    "validate": ["validate"],
    "assemble": ["assemble", "--parent", "weights", "--parent", "weights2", "--tensors", "all", "-o", "{}"],
    "merge": ["merge", "{}", "shard1.db", "shard2.db"],
}


def prepare(program, folder):
    verbs.prepare(program, folder)
    moesim, _ = verbs.helpers(program, folder)
    moesim("record", "--model", "small.yaml", "--synthetic", "--text", "text.txt", "--limit", "20", "--export", "weights",
           "-o", "weights.db")


def prepare_long(program, folder):
    moesim, write = verbs.helpers(program, folder)
    write("long.txt", "Experts are chosen token by token. " * 30000)
    write("long.yaml", "title: long\nscenario: base.yaml\nvary:\n  - {key: training.steps, values: [90000, 80000, 70000]}\n")
    moesim("record", "--model", "small.yaml", "--synthetic", "--seed", "2", "--text", "text.txt", "--limit", "20",
           "--export", "weights2", "-o", "weights2.db")
    with open(os.path.join(folder, "in.jsonl")) as lines:
        one = lines.read().splitlines()
    head, rows = one[:1], one[1:]
    with open(os.path.join(folder, "long.jsonl"), "w") as out:
        out.write("\n".join(head + rows * (100_000_000 // max(1, sum(map(len, rows))))) + "\n")
    moesim("trace", "import", "long.jsonl", "-o", "long.db")


def fail(what):
    sys.exit(f"streams: {what}")


def clean(folder):
    for name in os.listdir(folder):
        if name.startswith("out"):
            subprocess.run(["rm", "-r", os.path.join(folder, name)], check=True)


def lost_output(program, folder):
    for name, words in PRINTING.items():
        for where, message in ((">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")):
            words_now = [w.replace("{}", "out.db") for w in words]
            done = subprocess.run(["sh", "-c", f'"$@" {where}', "sh", program, *words_now], cwd=folder,
                                  stderr=subprocess.PIPE, text=True)
            wanted = f"standard output: cannot be written: {message}\n"
            if done.returncode != 2 or not done.stderr.endswith(wanted):  # after what is said of the input
                fail(f"{name} {where}: exit code {done.returncode}, {done.stderr!r}")
            clean(folder)


def obeyed(program, folder, name, words, how, when):
    """Seconds until it ended, or None where it was done before."""
    process = subprocess.Popen([program, *(w.replace("{}", "out.db") for w in words)], cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(when)
    if process.poll() is not None:
        if process.returncode not in (0, 1):
            fail(f"{name}: exit code {process.returncode}, {process.stderr.read()!r}")
        return None
    process.send_signal(how)
    start = time.monotonic()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        fail(f"{name} does not end on {how.name}")
    took, told = time.monotonic() - start, process.stderr.read()
    if took < 0.1 and (process.returncode == 0 or (process.returncode == 128 + how and not told)):
        return None  # all was done; the signal came on the way out
    if process.returncode != 128 + how or not told.startswith("interrupted: ") or told.count("\n") != 1:
        fail(f"{name} on {how.name} after {when:.2f} s: exit code {process.returncode}, {told!r}")
    return took


def main():
    program = os.path.abspath(sys.argv[1])
    signal.signal(signal.SIGHUP, lambda *_: None)  # not ignored, see kills.py
    rng = random.Random(1)
    slowest, short = 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        prepare(program, folder)
        lost_output(program, folder)
        if sys.argv[2:] == ["stdout"]:
            print(f"streams: {len(PRINTING)} verbs without stdout")
            return
        prepare_long(program, folder)
        long = dict(LONG)
        if len(sys.argv) > 2 and os.path.isdir(sys.argv[2]):
            tables = os.path.abspath(sys.argv[2])
            products = os.path.join(tables, "..", "..", "facts", "gemm_fp8_h800.csv")
            long["calibrate"] = ["calibrate", "--gemm", products, "--tables", tables]
        for name, words in long.items():
            for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                took = None
                for _ in range(TRIES):
                    once = obeyed(program, folder, name, words, how, rng.uniform(*ASKED))
                    clean(folder)
                    took = once if took is None or once is None else min(took, once)
                    if took is None or took <= OBEYED:
                        break
                if took is None:
                    short.append(name)
                    break
                slowest = max(slowest, took)
                if took > OBEYED:
                    fail(f"{name} takes {took:.2f} s to end on {how.name}")
    print(f"streams: {len(PRINTING)} verbs without stdout, {len(long) - len(short)} asked to end; at most {slowest:.2f} s"
          + (f"; done too soon: {', '.join(short)}" if short else ""))


main()
