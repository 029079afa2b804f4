"""One small scenario a study, and databases of them as they look when something cut them short."""
import json
import os
import shutil
import sqlite3
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TITLE = "<script>alert(1)</script> & \"quotes\" </title><b>'"

SMALL = ["--set", "model=deepseek-v2-lite", "--set", "cluster=h800-32"]
STEP = ["--set", "training.batch=64", "--set", "training.sequence=1024", "--set", "training.parallel={pipeline: 4, expert: 8, zero: 1}",
        "--set", "expect=[]"]
SCENARIOS = {
    "training": ["run", "train-deepseek-v3", *SMALL, *STEP],
    "training-run": ["run", "train-deepseek-v3-run", *SMALL, *STEP, "--set", "published=[]", "--set", "training.run.tokens=1e9",
                     "--set", "training.run.ramp={from: 32, tokens: 1e8}"],
    "serving": ["run", "serve-mixtral-8x7b", "--set", "serving.duration=20 s", "--set", "serving.warmup=4 s", "--set", "expect=[]",
                "--set", "serving.slo={ttft: 100 ms, tpot: 30 ms}"],
    "serving-apart": ["run", "serve-deepseek-v2", *SMALL, "--set", "serving.duration=3 s", "--set", "serving.warmup=0.5 s", "--set", "expect=[]",
                      "--set", "serving.pools=[{role: prefill, parallel: {data: 8}, overlap: two_batch}, "
                      "{role: decode, parallel: {data: 8}, overlap: five_stage}]"],
    "faults": ["run", "serve-mixtral-8x7b", "--set", "serving.duration=20 s", "--set", "serving.warmup=4 s", "--set", "expect=[]", "--set",
               "serving.faults=[" + ", ".join(f"{{kind: {k}, at: {6 + 2 * i} s, repair: 1 s, gpu: {i % 2}, detect: 100 ms}}" for i, k in
                                              enumerate(["slow_gpu", "slow_gpu", "gpu", "slow_link", "slow_gpu", "gpu"]))
               + ", {kind: gpu, at: 18 s, gpu: 1, answer: restart, detect: 100 ms}]"],
    "place": ["run", "place-deepseek-v3", "--set", "place.slots=[288]", "--set", "expect=[]"],
    "passes": ["run", "quickstart", "--set", "routing.record.limit=20", "--set", "routing.record.decode=2",
               "--set", "routing.record.synthetic.warm_up_tokens=16", "--set", "passes.prefill.new_tokens=64", "--set", "passes.decode.sequences=8",
               "--set", "passes.decode.steps=1", "--set", "network.count_pairs=true", "--set", "expect=[]"],
    "place-windows": ["place", "--loads", "{loads}", "--window-minutes", "10", "--strategy", "contiguous,eplb_global", "--model", "deepseek-v2-lite",
                      "--gpus", "16", "--nodes", "2", "--slots", "64,80", "--from", "{placement}"],
    "size": ["size", "size-mixtral-8x7b", "--set", "size.search.seeds=2", "--set", "size.search.most=60 s"],
    "plan": ["size", os.path.join(HERE, "plan.yaml")],
    "validate": ["validate", "serve-deepseek-v3-profile-decode", "train-mixtral-8x7b-interleaved", "place-deepseek-r1-gb200"],
    "sweep": ["sweep", os.path.join(HERE, "..", "smoke", "schedules.yaml")],
}


def windows(folder):
    """Loads of 26 layers and 64 experts in four windows that drift apart: (count files, a placement in force)."""
    files = []
    for window in range(4):
        counts = [[0] * 64] + [[1000 // (1 + (expert * 7 + layer + 3 * window) % 64) + 10 for expert in range(64)] for layer in range(26)]
        files.append(os.path.join(folder, f"window-{window}.json"))
        with open(files[-1], "w", encoding="utf-8") as out:
            json.dump({"logical_count": counts}, out)
    before = os.path.join(folder, "before.json")
    with open(before, "w", encoding="utf-8") as out:
        json.dump({"layers": {str(layer): {"slots": list(range(64))} for layer in range(1, 27)}, "slots_per_gpu": 4}, out)
    return files, before


def make(moesim, name, arguments, folder):
    out = os.path.join(folder, name + ".db")
    title = ["--set", "title='" + TITLE.replace("'", "''") + "'"] if arguments[0] in ("run", "size") else []
    if "{loads}" in arguments:
        files, before = windows(folder)
        arguments = [w for a in arguments for w in (files if a == "{loads}" else [before] if a == "{placement}" else [a])]
    subprocess.run([moesim, *arguments, *title, "-o", out], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return out


def cut_short(database):
    """A copy of a run as it looks when the program was killed."""
    out = database[:-3] + "-cut.db"
    shutil.copyfile(database, out)
    db = sqlite3.connect(out)
    db.execute("UPDATE run SET state = 'running'")
    db.commit()
    db.close()
    return out


def without_answer(database):
    """A copy of a training plan as it looks when it was interrupted after its last simulation."""
    out = database[:-3] + "-cut.db"
    shutil.copyfile(database, out)
    db = sqlite3.connect(out)
    db.executescript("UPDATE run SET state = 'interrupted'; DELETE FROM mapping; DELETE FROM metric")
    db.close()
    return out
