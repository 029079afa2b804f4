"""The commands that write, small enough to be ended many times, and what they need."""
import os
import subprocess


def helpers(program, folder):
    """Two functions: one runs the program in the folder, one writes a file there."""
    def moesim(*words):
        subprocess.run([program, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def write(name, text):
        with open(os.path.join(folder, name), "w") as out:
            out.write(text)

    return moesim, write


def prepare(program, folder):
    """Inputs that the commands below read, made once."""
    moesim, write = helpers(program, folder)
    write("text.txt", "Experts are chosen token by token. " * 60)
    write("base.yaml", "title: small\nmodel: deepseek-v2-lite\ncluster: h800-32\n"
          "routing: {kind: log_normal, sigma: 0.4}\n"
          "training: {sequence: 1024, batch: 128, recompute: selective, parallel: {pipeline: 2, expert: 8}}\n")
    write("sweep.yaml", "title: micro-batches\nscenario: base.yaml\nvary:\n"
          "  - {key: training.schedule, values: [1f1b, dualpipe, gpipe, zb_h1]}\n"
          "  - {key: training.micro_batch, values: [1, 2, 4]}\n")
    write("small.yaml", "extends: deepseek-v2-lite\nlayers: 6\n")
    moesim("record", "--model", "small.yaml", "--synthetic", "--text", "text.txt", "--limit", "400", "-o", "in.db")
    moesim("trace", "export", "in.db", "-o", "in.jsonl")
    for shard in (1, 2):
        moesim("sweep", "sweep.yaml", "--shard", f"{shard}/2", "-o", f"shard{shard}.db")


# name, words after `moesim`, with {} for the output, and the output's ending
COMMANDS = [
    ("run", ["run", "serve-mixtral-8x7b", "--set", "serving.duration={duration}", "--set", "serving.warmup=1 s", "--set",
             "expect=[]", "-o", "{}"], ".db"),
    ("run that records", ["run", "quickstart", "--set", "routing.record.limit=100", "--set", "routing.record.decode=2",
                          "--set", "routing.record.synthetic.warm_up_tokens=16", "--set",
                          "passes.prefill.new_tokens=64", "--set", "passes.decode.steps=1", "--set", "expect=[]", "-o", "{}"], ".db"),
    ("sweep", ["sweep", "sweep.yaml", "--jobs", "2", "-o", "{}"], ".db"),
    ("merge", ["merge", "{}", "shard1.db", "shard2.db"], ".db"),
    ("record", ["record", "--model", "small.yaml", "--synthetic", "--text", "text.txt", "-o", "{}"], ".db"),
    ("import", ["trace", "import", "in.jsonl", "-o", "{}"], ".db"),
    ("export", ["trace", "export", "in.db", "-o", "{}"], ".jsonl"),
    ("place", ["place", "--trace", "in.db", "--strategy", "eplb,local_search", "--gpus", "8", "-o", "{}"], ".json"),
    ("place into a database",
     ["place", "--trace", "in.db", "--strategy", "eplb", "--gpus", "8", "-o", "{}"], ".db"),
    ("schedule", ["schedule", "dualpipe", "--svg", "{}"], ".svg"),
]


def words_of(command, output, duration="3000 s"):
    return [w.replace("{}", output).replace("{duration}", duration) for w in command]
