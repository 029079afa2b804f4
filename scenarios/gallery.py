#!/usr/bin/env python3
"""Writes scenarios/README.md: every scenario, plan and sweep with its title and the figure that it is run for.

    scenarios/gallery.py MOESIM                  runs all but those that take minutes, one after the other
    scenarios/gallery.py MOESIM NAME...          runs these; what the file says of the others stays
    scenarios/gallery.py MOESIM --check NAME...  runs these and fails where the file says something else of them

Titles are those of `moesim list scenarios`.  Where a scenario lists what others published, the first such figure is the
one shown, beside the published.
"""
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GALLERY = os.path.join(HERE, "README.md")
LONG = {"serve-deepseek-v3-production", "size-deepseek-r1", "size-deepseek-v3-production", "size-deepseek-v3-sglang",
        "size-deepseek-v3-pretraining"}  # run only where named
NOT_RUN = "takes minutes: run it"

KINDS = [  # the start of a name, its heading, the verb that runs it
    ("quickstart", "From text to a cluster", "run"),
    ("serve", "Serving", "run"),
    ("train", "Training", "run"),
    ("place", "Placement", "run"),
    ("size", "Sizing: plans", "size"),
    ("sweep", "Sweeps", "sweep"),
]

WORDS = {  # of a metric: how its value is written, and by what it is multiplied
    "output_tokens_per_node_second": ("{:,.0f} output tokens/s a node", 1),
    "input_tokens_per_node_second": ("{:,.0f} input tokens/s a node", 1),
    "output_throughput": ("{:,.0f} output tokens/s", 1),
    "tokens_per_gpu_second": ("{:,.0f} tokens/s a GPU", 1),
    "gpu_hours_per_trillion_tokens": ("{:,.0f} GPU-hours a trillion tokens", 1),
    "tokens_per_day": ("{:,.1f} billion tokens a day", 1e-9),
    "mfu_bf16_causal": ("MFU {:.1f} %", 100),
    "tflops_noncausal": ("{:.0f} TFLOP/s a GPU", 1),
    "step_time": ("{:.1f} s a step", 1),
    "step_time_mean": ("{:.1f} ms a step", 1e3),
    "run_gpu_hours": ("{:,.0f} GPU-hours", 1),
    "run_days": ("{:.1f} days", 1),
    "imbalance": ("slowest GPU {:.1f} % over the mean", 100),
}


def written(metric, value):
    words, scale = WORDS[metric]
    return words.format(value * scale)


def of_run(out, database):
    """The figure of one run: its JSON and its results."""
    with sqlite3.connect(database) as results:
        row = results.execute("SELECT p.name, m.value, p.value FROM published p JOIN metric m "
                              "ON m.name = p.name AND m.scope = p.scope ORDER BY p.rowid").fetchone()
    if row:
        metric, value, published = row
        number = WORDS[metric][0].split("}")[0].split("{")[1]
        return f"{written(metric, value)} (published: {('{' + number + '}').format(published * WORDS[metric][1])})"
    metrics = {name: m["value"] for name, m in out["metrics"].items()}
    if out["study"] == "serving":
        rates = {way: metrics.get(f"{way}_tokens_per_node_second", 0) for way in ("input", "output")}
        way = "output" if rates["output"] > rates["input"] / 100 else "input"  # else it only reads prompts
        metric = f"{way}_tokens_per_node_second"
        return written(metric, metrics[metric])
    if out["study"] == "training":
        if "run_days" in metrics:
            return written("run_days", metrics["run_days"])
        return f"{written('step_time', metrics['step_time'])}, {written('mfu_bf16_causal', metrics['mfu_bf16_causal'])}"
    if out["study"] == "passes":
        return "a decode step takes {:.1f} ms".format(out["scopes"]["phase:decode"]["step_time"]["value"] * 1e3)
    best = max((s for s in out["scopes"] if s.startswith("placement:") and "balancedness" in out["scopes"][s]),
               key=lambda s: out["scopes"][s]["balancedness"]["value"])
    return "mean over max GPU load {:.3f} ({}, {} slots)".format(out["scopes"][best]["balancedness"]["value"],
                                                               *best.split(":")[1:3])


def of_plan(out, _):
    answer = out["answer"]
    if "days" in answer:
        return f"{answer['gpus']:,.0f} GPUs, {answer['days']:.1f} days"
    return f"{answer['gpus']:,.0f} GPUs of {answer['node']}, {answer['cost_per_hour']:,.2f} USD/h"


def of_sweep(out, _):
    done = [p for p in out["points"] if p["metrics"]]
    metric = next(iter(done[0]["metrics"]))
    best = min(done, key=lambda p: p["metrics"][metric]["value"])
    values = ", ".join(str(v) for v in best["values"].values())
    return f"{len(out['points'])} points; the fastest, {values}: {written(metric, best['metrics'][metric]['value'])}"


def figure(moesim, name, verb):
    with tempfile.TemporaryDirectory() as folder:
        database = os.path.join(folder, "results.db")
        done = subprocess.run([moesim, verb, name, "--json", "-o", database], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{name}: {done.stderr}")
        return {"run": of_run, "size": of_plan, "sweep": of_sweep}[verb](json.loads(done.stdout), database)


def known_figures():
    if not os.path.exists(GALLERY):
        return {}
    with open(GALLERY) as file:
        return dict(re.findall(r"^\| \[([^\]]+)\]\([^)]*\) \| .* \| (.*) \|$", file.read(), re.M))


def text_of(entries, figures):
    out = ("# Scenarios, plans and sweeps\n\n"
           "Each runs by its name: `moesim run NAME`, `moesim size NAME` for a plan, `moesim sweep NAME -o NAME.db`. The\n"
           "figures are what today's program gives; `scenarios/gallery.py` writes this page. `moesim init serve` begins one of\n"
           "your own.\n")
    for kind, heading, _ in KINDS:
        out += f"\n## {heading}\n\n| name | what it is | figure |\n|---|---|---|\n"
        for entry in entries:
            name = entry["name"]
            if name.split("-")[0] == kind:
                out += f"| [{name}]({name}.yaml) | {entry['summary']} | {figures.get(name, NOT_RUN if name in LONG else '-')} |\n"
    return out


def main():
    moesim, *names = sys.argv[1:]
    moesim = os.path.abspath(moesim)
    check = names[:1] == ["--check"]
    names = names[1:] if check else names
    listed = json.loads(subprocess.run([moesim, "list", "scenarios", "--json"], text=True, check=True,
                                       stdout=subprocess.PIPE).stdout)["scenarios"]
    verbs = {e["name"]: next(v for k, _, v in KINDS if e["name"].split("-")[0] == k) for e in listed}
    figures = known_figures()
    wrong = 0
    for name in names or [n for n in verbs if n not in LONG]:
        now = figure(moesim, name, verbs[name])
        print(f"{name}: {now}", flush=True)
        if check and figures.get(name) != now:
            wrong += 1
            print(f"  README.md says: {figures.get(name)}")
        figures[name] = now
    if not check:
        with open(GALLERY, "w") as file:
            file.write(text_of(listed, figures))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
