"""moesim: what a Mixture-of-Experts deployment does with real routing.

    import moesim
    results = moesim.run("train-deepseek-v3", set={"training.batch": 7680})
    results.metrics()["step_time"]      # seconds; every figure is in SI units
    results.table("stage")              # a list of dicts
    results.frame("stage")              # the same for pandas

A scenario is a name of the catalogue, a YAML file, or a dict with the same keys.
"""
import builtins
import json
import os
import shutil
import signal
import subprocess
import tempfile
import weakref

from ._moesim import ConfigError, installed_data as _installed_data, names as _names, rows as _rows
from ._moesim import version as __version__

__all__ = ["ConfigError", "Results", "names", "open", "run", "__version__"]


def names(catalogue):
    """The entries of a catalogue: "models", "hardware" or "scenarios"."""
    return _names(catalogue)


class Results:
    """What a results database holds. Tables and columns are those of reports/schema.md."""

    def __init__(self, path, met=None, said=""):
        self.path = os.fspath(path)
        self.expectations_met = met  # None where this did not run it
        self.said = said  # by the run, of expectations and the like
        if "run" not in self.tables():
            trace = "trace_experts" in self.tables()
            raise ConfigError(f"{self.path}: " + ("is a routing trace, and results were expected; moesim trace stats "
                                                  "shows it" if trace else "holds no results"))

    def query(self, sql):
        """The rows of an SQL query, a tuple each."""
        return _rows(self.path, sql)[1]

    def tables(self):
        """The names of the tables and views."""
        return [name for (name,) in self.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")]

    def _columns_and_rows(self, name):
        if name not in self.tables():
            raise KeyError(f"no table is called {name!r}; there are: {', '.join(self.tables())}")
        return _rows(self.path, f'SELECT * FROM "{name}"')

    def table(self, name):
        """The rows of a table or view, a dict each."""
        columns, rows = self._columns_and_rows(name)
        return [dict(zip(columns, row)) for row in rows]

    def frame(self, name):
        """The same as a pandas.DataFrame."""
        import pandas  # here: all else works without it
        columns, rows = self._columns_and_rows(name)
        return pandas.DataFrame.from_records(rows, columns=columns)

    def metrics(self, scope="run", run=None):
        """Figures by name, in SI units, of the whole run or of a scope such as "pool:decode" or "stage:3".

        run: which one, of a sweep; table("sweep_point") says which values each has.
        """
        runs = [n for (n,) in self.query("SELECT run FROM run ORDER BY run")]
        if run is None and len(runs) > 1:
            raise ValueError(f"{self.path} holds {len(runs)} runs, a point of a sweep each: say which, run=1")
        if run is not None and run not in runs:
            raise KeyError(f"no run is called {run!r}; there are: {', '.join(map(str, runs))}")
        columns, rows = self._columns_and_rows("metric")
        at = {column: i for i, column in enumerate(columns)}
        rows = [row for row in rows if run is None or row[at["run"]] == run]
        scopes = dict.fromkeys(row[at["scope"]] for row in rows)
        if scope != "run" and scope not in scopes:
            raise KeyError(f"no scope is called {scope!r}; there are: {', '.join(scopes)}")
        return {row[at["name"]]: row[at["value"]] for row in rows if row[at["scope"]] == scope}

    def __repr__(self):
        return f"moesim.Results({self.path!r})"


def open(path):
    """The results that an earlier run, sweep or plan left at `path`."""
    return Results(path)


def _program():
    """Of the same build: two folders up in a build, in PREFIX/bin where it is installed; else the one on the PATH."""
    data = _installed_data()
    build = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for file in (os.path.join(data, "../../bin/moesim") if data else "", os.path.join(build, "moesim")):
        if file and os.access(file, os.X_OK) and os.path.isfile(file):
            return os.path.normpath(file)
    found = shutil.which("moesim")
    if not found:
        raise FileNotFoundError("the program moesim is neither beside this module nor on the PATH")
    return found


def _as_yaml(value):
    """JSON is YAML. Texts are quoted, too: what "x # y" or "[1]" says stays what it says."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _wait(process):
    """What it wrote to stderr. Ctrl-C ends it first, as at a terminal: it keeps what is done."""
    try:
        return process.communicate()[1]
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.communicate()
        raise


def _run_in(folder, scenario, output, overrides, seed, force):
    if isinstance(scenario, dict):
        file = os.path.join(folder, "scenario.yaml")
        with builtins.open(file, "w", encoding="utf-8") as out:
            json.dump(scenario, out, indent=1, allow_nan=False)
        scenario = file
    path = os.path.join(folder, "results.db") if output is None else os.fspath(output)
    command = [_program(), "run", os.fspath(scenario), "-o", path]
    for key, value in overrides.items():
        command += ["--set", f"{key}={_as_yaml(value)}"]
    if seed is not None:
        command += ["--seed", str(seed)]
    if force:
        command.append("--force")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = _wait(process).strip().replace(folder + "/", "")
    if process.returncode == 2:
        raise ConfigError(said.replace("choose another name with -o, or overwrite it with --force",
                                       "choose another output, or overwrite it with force=True"))
    if process.returncode not in (0, 1):
        raise RuntimeError(said or f"moesim ended with {process.returncode}")
    return Results(path, process.returncode == 0, said)


def run(scenario, output=None, set=None, seed=None, force=False):
    """Runs a scenario in a process of its own and returns its Results.

    output: the results database to create; None: one that goes with the object.
    set: values to replace, by key path: {"training.batch": 7680}; a text is one, lists and dicts are such.
    force: an output that exists is overwritten.
    Raises ConfigError for what is wrong with the scenario, RuntimeError if the program failed.
    """
    folder = tempfile.mkdtemp(prefix="moesim.")
    try:
        results = _run_in(folder, scenario, output, set or {}, seed, force)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if output is None:
        weakref.finalize(results, shutil.rmtree, folder, True)  # its database goes with it
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return results
