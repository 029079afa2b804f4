#!/usr/bin/env python3
"""Files made to hurt their reader: one line, exit code 2, little memory and time.  Usage: hostile.py PROGRAM [FOLDER]

FOLDER: more such files, each given to the verb that its name's ending belongs to; without it the ones made here."""
import os
import re
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time

MEMORY, TIME = 200e6, 2.0  # B, s
DEEP = 200_000


def made(folder):
    """One of each kind, by the same endings."""
    config = '{"model_type": "deepseek_v2", "num_hidden_layers": 4, "hidden_size": 64, "moe_layer_freq": 0}'
    header = b'{"a":' * DEEP + b"1" + b"}" * DEEP
    files = {
        "comma.yaml": b",a",
        "cycle.yaml": b"a: &a [*a]\n",
        "bomb.yaml": b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 10))
                                                    for i in range(1, 30)),
        "deep.yaml": b"[" * DEEP,
        "latin.yaml": b"title: \xe9t\xe9\nmodel: deepseek-v3\n",
        "config_deep.json": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "config_zero.json": config.encode(),
        "deep.jsonl": b"[" * DEEP + b"]" * DEEP + b"\n",
        "deep.safetensors": struct.pack("<Q", len(header)) + header,
        "endless.npy": b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1152921504606846976,), }".ljust(117) + b"\n",
        "placement_pandas.csv": b",gpu,expert\n0,0,0\n1,0,1\n",
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(content)
    for name in ("sparse.yaml", "config_sparse.json", "placement_sparse.csv", "sparse.json", "sparse.npy"):
        with open(os.path.join(folder, name), "wb") as out:
            out.truncate(1 << 30)  # takes no room on the disk, but would in memory


def words(file, loads, out):
    name = os.path.basename(file)
    if name.startswith("placement_"):
        return ["place", "--loads", loads, "--strategy", "eplb", "--gpus", "2", "--from", file, "-o", out]
    if name.startswith("config_"):
        return ["show", file]
    if name.endswith(".yaml"):
        return ["run", file, "-o", out]
    if name.endswith(".npy"):
        return ["record", "--model", "deepseek-v2-lite", "--synthetic", "--tokens", file, "-o", out]
    if name.endswith(".safetensors"):
        return ["record", "--model", "deepseek-v2-lite", "--synthetic", "--tokens", file, "-o", out]
    if name.endswith((".pt", ".json", ".jsonl")):
        return ["trace", "import", file, "-o", out]
    return None


OTHERS = [
    ("--set '[=1'", ["run", "serve-mixtral-8x7b", "--set", "[=1"]),
    ("two billion stages", ["schedule", "dualpipe", "--stages", "2000000000"]),
    ("a billion micro-batches", ["schedule", "dualpipe", "--micro-batches", "1000000000"]),
    ("a batch of two billion", ["run", "train-mixtral-8x7b", "--set", "training.batch=2000000000"]),
    ("a billion requests a second", ["run", "serve-mixtral-8x7b", "--set", "serving.workload.rate=1e9"]),
    ("/dev/zero", ["run", "/dev/zero"]),
    ("10^18 tokens", ["run", "train-mixtral-8x7b", "--set", "training.run={tokens: 1e18}"]),
]


def tried(program, command, folder):
    """What is wrong with how this ends, or "" """
    before = set(os.listdir(folder))
    start = time.monotonic()
    process = subprocess.Popen([program, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)))
    timer = threading.Timer(20, process.kill)
    timer.start()
    err = process.stderr.read()
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    took, code = time.monotonic() - start, os.waitstatus_to_exitcode(status)
    wrong = []
    if code != 2:
        wrong.append(f"exit code {code}")
    if len(err.decode("utf-8", "replace").splitlines()) != 1:
        wrong.append(f"{err.count(10)} lines")
    if usage.ru_maxrss * 1024 > MEMORY:
        wrong.append(f"{usage.ru_maxrss / 1024:.0f} MiB")
    if usage.ru_utime + usage.ru_stime > TIME:
        wrong.append(f"{usage.ru_utime + usage.ru_stime:.1f} s")
    if set(os.listdir(folder)) != before:
        wrong.append(f"left {set(os.listdir(folder)) - before}")
    if os.environ.get("VERBOSE"):
        print(f"{usage.ru_maxrss / 1024:5.0f} MiB {took:5.2f} s  {code}  {err.decode('utf-8', 'replace').strip()[:150]}")
    return ", ".join(wrong) + (f": {err.decode('utf-8', 'replace').strip()[:200]}" if wrong else "")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as inputs:
        made(inputs)
        loads = os.path.join(inputs, "loads4.json")
        with open(loads, "w") as out:
            out.write('{"logical_count": [[4, 3, 2, 1]]}')
        given = [os.path.join(inputs, n) for n in sorted(os.listdir(inputs)) if n != "loads4.json"]
        if len(sys.argv) > 2 and os.path.isdir(sys.argv[2]):
            given += [os.path.join(os.path.abspath(sys.argv[2]), n) for n in sorted(os.listdir(sys.argv[2]))
                      if n != "loads4.json" and not re.search(r"\.(sh|txt|md)$", n)]
        tasks = [(f, words(f, loads, "out.db")) for f in given] + OTHERS
        problems = []
        for name, command in tasks:
            if command is None:
                problems.append(f"{name}: no verb reads this")
            elif wrong := tried(program, command, folder):
                problems.append(f"{name}: {wrong}")
    if problems:
        sys.exit("\n".join(["hostile:"] + problems))
    print(f"hostile: {len(tasks)} inputs, each refused in one line with exit code 2, under 200 MB and 2 s")


main()
