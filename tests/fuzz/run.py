#!/usr/bin/env python3
"""Runs the fuzzers, each for so many seconds, from inputs made of this repository's own files.
Usage: run.py BUILD SECONDS [FUZZER...]  (all of them without names).  Exit code 1 if there is a finding.
BUILD/found/FUZZER keeps what found new code, and is begun with next time; findings are BUILD/found/FUZZER-*."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONFIGS = ["tests/unit/spec/config/*/config.json", "tests/numeric/numerics/reference/*/config.json"]
SCENARIOS = ["scenarios/*.yaml", "tests/reject/cli/cases/*.yaml"]
# What of the repository each begins with, and the longest input it makes of them: as long as they are, or they are cut.
FUZZERS = {
    "yaml": (SCENARIOS + ["hardware/*.yaml"], 1024),
    "formats": ([], 4096),
    "model": (["models/*.yaml"], 8192),
    "release": (CONFIGS, 8192),
    "hardware": (["hardware/*.yaml"], 16384),
    "routing": ([], 4096),
    "requests": ([], 4096),
    "placements": ([], 4096),
    "tables": ([], 2048),
    "tokenizer": (["tests/unit/numerics/tokenizer/*.json"], 8192),
    "scenario": (["scenarios/[pqst]*.yaml", "tests/reject/cli/cases/*.yaml"], 8192),
    "sweep": (["scenarios/sweep*.yaml", "tests/smoke/*.yaml", "tests/reject/cli/cases/*.yaml"], 8192),
    "plan": (["scenarios/size-*.yaml", "tests/pages/plan.yaml"], 8192),
    "words": ([], 256),
    "results": ([], 128),
    "trace": ([], 256),
}
LIMITS = ["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1", "-close_fd_mask=1"]
# Each refusal is an exception, and looking for use after return takes longer than all the rest then.
ASAN = "quarantine_size_mb=16:detect_stack_use_after_return=0:malloc_context_size=8"


def dictionary(path):
    """Words that keys and kinds are made of, and units."""
    with open(os.path.join(ROOT, "reports/reference.md"), encoding="utf-8") as text:
        words = sorted(set(re.findall(r"[a-z][a-z0-9_]{2,}", text.read())))
    units = re.findall(r"\w+(?:/\w+)?", "ps us ms s min h d B KiB GiB GB Gbps GB/s TFLOP/s W kW USD/h null true none auto")
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(f'"{word}"\n' for word in words + units)


def collect(name, patterns, most, folder):
    os.makedirs(folder, exist_ok=True)
    for pattern in patterns:
        for file in glob.glob(os.path.join(ROOT, pattern)):
            if os.path.getsize(file) <= most:
                shutil.copy(file, os.path.join(folder, os.path.relpath(file, ROOT).replace("/", "_")))


def fuzz(build, name, seconds, work):
    """Runs, executions a second, and the lines of a finding, "" if there is none."""
    patterns, most = FUZZERS[name]
    seeds, kept = os.path.join(work, name), os.path.join(build, "found", name)
    collect(name, patterns, most, seeds)
    os.makedirs(kept, exist_ok=True)
    own = os.path.join(work, "tmp_" + name)
    os.makedirs(own)
    command = [os.path.join(build, "tests/fuzz/fuzz_" + name), f"-max_total_time={seconds}", f"-max_len={most}",
               f"-dict={work}/dictionary", f"-artifact_prefix={build}/found/{name}-", *LIMITS, kept, seeds]
    environment = dict(os.environ, TMPDIR=own, ASAN_OPTIONS=ASAN,
                       UBSAN_OPTIONS="print_stacktrace=1", ASAN_SYMBOLIZER_PATH=shutil.which("addr2line") or "")
    run = subprocess.run(command, cwd=own, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         errors="replace", check=False)
    shutil.rmtree(own, ignore_errors=True)
    runs, rate = (int((re.findall(rf"stat::{what}:\s+(\d+)", run.stderr) or [0])[-1])
                  for what in ("number_of_executed_units", "average_exec_per_sec"))
    return runs, rate, run.stderr[-6000:] if run.returncode else ""


def main():
    build, seconds, names = os.path.abspath(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or list(FUZZERS)
    found = []
    # In memory where that is possible: every input is written and read.
    with tempfile.TemporaryDirectory(prefix="moesim.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as work:
        dictionary(os.path.join(work, "dictionary"))
        subprocess.run([os.path.join(build, "tests/fuzz/fuzz_seeds"), work], check=True)
        for name in names:
            runs, rate, finding = fuzz(build, name, seconds, work)
            print(f"{name:12} {runs:12,} runs {seconds:6} s {rate:8,} runs/s  {'FINDING' if finding else 'nothing found'}",
                  flush=True)
            if finding:
                found.append(name)
                print(finding, flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
