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
            self.assertEqual(results.metrics("stage:9"), {})
            with self.assertRaisesRegex(KeyError, "no table is called 'stages'; there are: .*stage"):
                results.table("stages")

    def test_values_are_set_and_outputs_overwritten_only_when_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.db")
            moesim.run(SMALL, output=path)
            with self.assertRaisesRegex(moesim.ConfigError, "already exists"):
                moesim.run(SMALL, output=path)
            results = moesim.run(SMALL, output=path, set={"training.batch": 128}, force=True)
            self.assertIn("training.batch: 128", results.table("run")[0]["resolved"])

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
