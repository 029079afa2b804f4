"""A copy of the sources that holds every sampled mutant, switched on at run time, and its build."""
import os
import random
import re
import subprocess

import changes

LAYERS = ["unit", "law", "formula", "numeric", "reject", "golden"]
MOST_OF_A_FILE = 8
LINES_PER_MUTANT = 20  # of a sampled file


def programs_of(root, room):
    return [f"{layer}_{room}" for layer in LAYERS
            if any(f.endswith(".cpp") for _, _, files in os.walk(f"{root}/tests/{layer}/{room}") for f in files)]


def sample(root, count, seed, say):
    """[{file, begin, end, line, text, said}], numbered from 1: files in a shuffled order, from each a share of its lines,
    one change a line and none inside another.  Headers and main.cpp are left out: what includes them would be compiled
    again."""
    chance = random.Random(seed)
    files = sorted(subprocess.run(["git", "ls-files", "sim/*/*.cpp"], cwd=root, capture_output=True, text=True,
                                  check=True).stdout.split())
    chance.shuffle(files)
    out = []
    for name in files:
        if len(out) >= count:
            break
        found, errors = changes.changes_in(f"{root}/{name}", root, f"{root}/build-mutate")
        chance.shuffle(found)
        lines = open(f"{root}/{name}").read().count("\n")
        share = min(MOST_OF_A_FILE, max(1, round(lines / LINES_PER_MUTANT)), count - len(out))
        taken = []
        for c in found:
            if len(taken) < share and all(c.end <= t.begin or t.end <= c.begin for t in taken) and \
                    all(c.line != t.line for t in taken):
                taken.append(c)
        for c in sorted(taken, key=lambda c: c.begin):
            out.append({"file": name, "begin": c.begin, "end": c.end, "line": c.line, "text": c.text, "said": c.said})
        say(f"{name}: {len(taken)} of {len(found)}" + (f", {errors} errors" if errors else "") + f", {len(out)} in all")
    for number, mutant in enumerate(out, 1):
        mutant["number"] = number
    return out


def changed_text(root, name, mutants):
    text = open(f"{root}/{name}", "rb").read()
    inside = [m for m in mutants if m["file"] == name and not m.get("dropped")]
    for m in sorted(inside, key=lambda m: -m["begin"]):
        new = m["text"].replace("@", f"moesim_is_on({m['number']})")
        text = text[:m["begin"]] + new.encode() + text[m["end"]:]
    head = ("extern int moesim_mutant; void moesim_reach(int); inline bool moesim_is_on(int n) "
            "{ if (moesim_mutant < 0) moesim_reach(n); return moesim_mutant == n; }\n"
            "#line 1\n")  # the compiler's lines are the source's
    return (head.encode() if inside else b"") + text


def write(root, tree, mutants):
    """The copy, in which unchanged files keep their times."""
    here = os.path.dirname(os.path.abspath(__file__))
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True,
                            check=True).stdout.split("\n")
    for name in listed:
        if not name or name.startswith("tests/mutate/") or not os.path.isfile(f"{root}/{name}"):
            continue
        if name == "tests/support/main.cpp":
            text = with_listener(f"{root}/{name}", f"{here}/listener.cpp")
        else:
            text = changed_text(root, name, mutants)
        put(f"{tree}/{name}", text)
    put(f"{tree}/sim/core/mutate_runtime.cpp", open(f"{here}/runtime.cpp", "rb").read())
    here = {f for f in listed if f}
    for folder, _, files in os.walk(f"{tree}"):
        if folder.startswith(f"{tree}/build"):
            continue
        for f in files:
            name = os.path.relpath(f"{folder}/{f}", tree)
            if name not in here and name != "sim/core/mutate_runtime.cpp":
                os.remove(f"{folder}/{f}")


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path) or open(path, "rb").read() != text:
        open(path, "wb").write(text)


def with_listener(main, listener):
    text = open(main).read()
    text = text.replace("int main(", open(listener).read() + "\nint main(", 1)
    return re.sub(r"(testing::InitGoogleTest\([^\n]*\n)", r"\1  moesim_listen();\n", text, count=1).encode()


def build(tree, mutants, targets, say):
    """Builds, leaving out mutants on lines that the compiler refuses."""
    log = f"{tree}/../build.log"
    for _ in range(6):
        with open(log, "w") as out:
            subprocess.run(["cmake", "--preset", "release"], cwd=tree, stdout=out, stderr=out, check=True)
            done = subprocess.run(["cmake", "--build", "build", "-j2", "--target", *targets, "--", "-k", "0"], cwd=tree,
                                  stdout=out, stderr=out)
        if done.returncode == 0:
            return
        refused = set(re.findall(r"(sim/[^:\s]+\.cpp):(\d+):\d+: (?:fatal )?error", open(log).read()))
        dropped = [m for m in mutants if not m.get("dropped") and
                   any(m["file"] == f and abs(m["line"] - int(line)) <= 1 for f, line in refused)]
        if not dropped:
            raise SystemExit(f"mutate: the copy does not build, see {log}")
        for m in dropped:
            m["dropped"] = True
            say(f"left out, does not compile: {m['file']}:{m['line']}: {m['said']}")
        write(os.path.dirname(os.path.dirname(tree)), tree, mutants)
    raise SystemExit("mutate: the copy does not build")
