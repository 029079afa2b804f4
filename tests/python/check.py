#!/usr/bin/env python3
"""The Python module, as it is used: python3 check.py FOLDER, the one that holds the package moesim.

Ends with 77 where the module was not built or this Python cannot load it.
"""
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

sys.path.insert(0, sys.argv.pop(1))
try:
    import moesim
except ImportError as problem:
    print(f"no Python module: {problem}")
    sys.exit(77)

try:
    import pandas
except ImportError:
    pandas = None

SMALL = {
    "title": "A small step",
    "model": "deepseek-v2-lite",
    "cluster": "h800-32",
    "routing": {"kind": "log_normal", "sigma": 0.15},
    "training": {"sequence": 1024, "batch": 64, "parallel": {"pipeline": 4, "expert": 8, "zero": 1}},
}


class Module(unittest.TestCase):
    def test_a_dict_runs_as_the_same_file_does(self):
        results = moesim.run(SMALL)
        self.assertTrue(results.expectations_met)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "small.yaml")
            with open(file, "w") as out:
                out.write(textwrap.dedent("""\
                    title: A small step
                    model: deepseek-v2-lite
                    cluster: h800-32
                    routing: {kind: log_normal, sigma: 0.15}
                    training: {sequence: 1024, batch: 64, parallel: {pipeline: 4, expert: 8, zero: 1}}
                    """))
            same = moesim.run(file, output=os.path.join(folder, "same.db"))
            self.assertEqual(results.metrics(), same.metrics())
            self.assertGreater(results.metrics()["step_time"], 0)
            self.assertEqual(results.query("SELECT fingerprint FROM run"), same.query("SELECT fingerprint FROM run"))

    def test_tables_are_what_the_database_holds(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.db")
            results = moesim.run(SMALL, output=path, seed=3)
            db = sqlite3.connect(path)
            for table in ("run", "metric", "stage", "gpu"):
                cursor = db.execute(f"SELECT * FROM {table}")
                columns = [column[0] for column in cursor.description]
                self.assertEqual(results.table(table), [dict(zip(columns, row)) for row in cursor], table)
            db.close()
            self.assertEqual(results.table("run")[0]["seed"], 3)
            self.assertEqual(results.query("SELECT count(*) FROM stage"), [(len(results.table("stage")),)])
            self.assertEqual(results.metrics(), moesim.open(path).metrics())
            self.assertGreater(results.metrics("stage:0")["peak_memory"], 0)
            with self.assertRaisesRegex(KeyError, "no scope is called 'stage:9'; there are: run, .*stage:0"):
                results.metrics("stage:9")
            with self.assertRaisesRegex(KeyError, "no table is called 'stages'; there are: .*stage"):
                results.table("stages")

    def test_values_are_set_and_outputs_overwritten_only_when_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.db")
            moesim.run(SMALL, output=path)
            with self.assertRaisesRegex(moesim.ConfigError, "already exists; choose another output, or .* force=True$"):
                moesim.run(SMALL, output=path)
            results = moesim.run(SMALL, output=path, set={"training.batch": 128}, force=True)
            self.assertIn("training.batch: 128", results.table("run")[0]["resolved"])

    def test_a_text_stays_what_it_says(self):
        for title in ("x # y", "a: b", "[1]", "", "~", "3", "it's \"so\" \\ é\t", "{a: 1}"):
            self.assertEqual(moesim.run(SMALL, set={"title": title}).table("run")[0]["title"], title)
        lists = moesim.run(SMALL, set={"training.parallel": {"pipeline": 2, "expert": 8}, "training.batch": "128"})
        self.assertIn("training.parallel.pipeline: 2", lists.table("run")[0]["resolved"])
        self.assertIn("training.batch: 128", lists.table("run")[0]["resolved"])

    def test_one_of_several_runs_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.db")
            one = moesim.run(SMALL, output=path).metrics()
            db = sqlite3.connect(path)
            columns = [name for (name,) in db.execute("SELECT name FROM pragma_table_info('run') WHERE name != 'run'")]
            db.execute(f"INSERT INTO run (run, {', '.join(columns)}) SELECT 2, {', '.join(columns)} FROM run")
            db.execute("INSERT INTO metric (run, name, value, unit, scope) VALUES (2, 'step_time', 7, 's', 'run')")
            db.commit()
            db.close()
            both = moesim.open(path)
            with self.assertRaisesRegex(ValueError, "holds 2 runs, a point of a sweep each: say which, run=1"):
                both.metrics()
            self.assertEqual(both.metrics(run=1), one)
            self.assertEqual(both.metrics(run=2), {"step_time": 7})
            with self.assertRaisesRegex(KeyError, "no run is called 3; there are: 1, 2"):
                both.metrics(run=3)
            db = sqlite3.connect(path)
            db.execute("DROP TABLE run")
            db.close()
            with self.assertRaisesRegex(moesim.ConfigError, "holds no results"):
                moesim.open(path)

    def test_what_is_wrong_is_said_with_its_place(self):
        wrong = dict(SMALL, training=dict(SMALL["training"], bach=3))
        with self.assertRaisesRegex(moesim.ConfigError, r'^scenario.yaml:\d+:\d+: training: unknown key "bach"; did you mean'):
            moesim.run(wrong)
        with self.assertRaisesRegex(ValueError, 'no scenario is called "quickstrat"; did you mean "quickstart"'):
            moesim.run("quickstrat")
        with self.assertRaisesRegex(moesim.ConfigError, "is not an SQLite database"):
            moesim.open(__file__)
        with self.assertRaises(ValueError):
            moesim.run(dict(SMALL, seed=float("nan")))

    def test_an_expectation_that_fails_is_no_exception(self):
        results = moesim.run(dict(SMALL, expect=[{"metric": "step_time", "max": 1e-9}]))
        self.assertFalse(results.expectations_met)
        self.assertIn("step_time", results.said)

    def test_interrupting_raises_and_leaves_what_is_done(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "long.db")
            code = (
                "import sys, moesim\n"
                "try:\n"
                f"    moesim.run('train-deepseek-v3', output={path!r}, set={{'training.steps': 1000}})\n"
                "except KeyboardInterrupt:\n"
                "    sys.exit(42)\n")
            process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True,
                                       env=dict(os.environ, PYTHONPATH=sys.path[0]))
            for _ in range(600):
                if os.path.exists(path) or process.poll() is not None:
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 42, said)

    @unittest.skipIf(pandas is None, "no pandas here")
    def test_frames_have_the_tables_rows(self):
        results = moesim.run(SMALL)
        frame = results.frame("gpu")
        self.assertEqual(frame.to_dict("records"), results.table("gpu"))

    def test_catalogues(self):
        self.assertIn("deepseek-v3", moesim.names("models"))
        self.assertIn("quickstart", moesim.names("scenarios"))


if __name__ == "__main__":
    unittest.main()
