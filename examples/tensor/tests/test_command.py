"""Tests of the command line, through the built command that TENSOR_COMMAND names."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

COMMAND = os.environ["TENSOR_COMMAND"]


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_tensor(self, *words, stdin=""):
        return subprocess.run(
            [COMMAND, *words], cwd=self.folder, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def tensor(self, *words, stdin=""):
        """What a run that succeeds prints."""
        done = self.run_tensor(*words, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, status, *words, stdin=""):
        """What a run that fails with that status says."""
        done = self.run_tensor(*words, stdin=stdin)
        self.assertEqual((done.returncode, done.stdout), (status, ""))
        self.assertTrue(done.stderr.startswith("tensor: ") or len(words) == 0, done.stderr)
        return done.stderr


class Working(CommandTest):
    def test_gen_writes_text_to_standard_output(self):
        self.assertEqual(self.tensor("gen", "-d", "range", "2x3", "-"), "tensor 2 3\n0 1 2\n3 4 5\n")
        self.assertEqual(self.tensor("gen", "-d", "ones", "scalar", "-"), "tensor\n1\n")

    def test_gen_depends_on_the_seed_only(self):
        first = self.tensor("gen", "-d", "normal", "-s", "1", "3x3", "-")
        self.assertEqual(self.tensor("gen", "-d", "normal", "-s", "1", "3x3", "-"), first)
        self.assertNotEqual(self.tensor("gen", "-d", "normal", "-s", "2", "3x3", "-"), first)

    def test_convert_there_and_back(self):
        text = "tensor 2 2\n0.100000001 -1\n-0.5 nan\n"
        (self.folder / "a.txt").write_text(text)
        self.tensor("convert", "a.txt", "a.tensor")
        self.assertEqual((self.folder / "a.tensor").read_bytes()[:5], b"\x89TNSR")
        self.assertEqual(self.tensor("convert", "a.tensor", "-"), text)
        self.tensor("convert", "-f", "binary", "a.txt", "b.txt")
        self.assertEqual((self.folder / "a.tensor").read_bytes(), (self.folder / "b.txt").read_bytes())
        self.tensor("convert", "-f", "text", "a.tensor", "c.tensor")
        self.assertEqual((self.folder / "c.tensor").read_text(), text)

    def test_info(self):
        self.tensor("gen", "-d", "range", "2x3", "a.tensor")
        self.assertEqual(self.tensor("info", "a.tensor"), "a.tensor: 2x3, 6 elements, 0 to 5, mean 2.5\n")
        self.assertEqual(self.tensor("info", "-", stdin="tensor\n4"), "-: scalar, 1 element, 4 to 4, mean 4\n")
        self.assertEqual(self.tensor("info", "-", stdin="tensor 0\n"), "-: 0, 0 elements\n")

    def test_matmul(self):
        (self.folder / "a.txt").write_text("tensor 1 2\n1 2\n")
        (self.folder / "b.txt").write_text("tensor 2 1\n3\n4\n")
        self.assertEqual(self.tensor("matmul", "a.txt", "b.txt", "-"), "tensor 1 1\n11\n")

    def test_sum(self):
        self.tensor("gen", "-d", "range", "2x3", "a.tensor")
        self.assertEqual(self.tensor("sum", "a.tensor"), "15\n")
        self.assertEqual(self.tensor("sum", "-a", "0", "a.tensor"), "tensor 3\n3 5 7\n")
        self.tensor("sum", "-a", "-1", "-o", "s.txt", "a.tensor")
        self.assertEqual((self.folder / "s.txt").read_text(), "tensor 2\n3 12\n")

    def test_bench(self):
        lines = self.tensor("bench", "-n", "16", "-r", "2").splitlines()
        self.assertEqual(lines[0], "16x16, best of 2")
        self.assertEqual(len(lines), 7)

    def test_help_and_version(self):
        self.assertIn("matmul", self.tensor("--help"))
        self.assertRegex(self.tensor("--version"), r"^tensor \d+\.\d+\.\d+\n$")


class Refusing(CommandTest):
    def test_usage(self):
        self.assertIn("usage: tensor", self.refused(2))
        self.assertIn("'frobnicate'", self.refused(2, "frobnicate"))
        for words in (
            ("info",),
            ("gen", "2x3"),
            ("gen", "2xx3", "-"),
            ("gen", "-1", "-"),
            ("gen", "1x1x1x1x1x1x1x1x1", "-"),
            ("gen", "-d", "odd", "2", "-"),
            ("gen", "-s", "x", "2", "-"),
            ("convert", "a"),
            ("convert", "-f", "png", "a", "b"),
            ("matmul", "a", "b"),
            ("sum", "-a", "9", "a"),
            ("bench", "-n", "0"),
            ("bench", "extra"),
        ):
            with self.subTest(words):
                done = self.run_tensor(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(f"usage: tensor {words[0]}", done.stderr)

    def test_missing_and_broken_files(self):
        self.assertIn("none.tensor: No such file", self.refused(1, "info", "none.tensor"))
        self.assertIn("standard input:3:", self.refused(1, "info", "-", stdin="tensor 2\n1\nx\n"))
        self.tensor("gen", "4", "a.tensor")
        content = (self.folder / "a.tensor").read_bytes()
        (self.folder / "a.tensor").write_bytes(content[:30] + b"!" + content[31:])
        self.assertIn("checksum", self.refused(1, "sum", "a.tensor"))
        (self.folder / "a.tensor").write_bytes(content[:-1])
        self.assertIn("incomplete", self.refused(1, "sum", "a.tensor"))
        (self.folder / "a.tensor").write_bytes(content + b"!")
        self.assertIn("follows", self.refused(1, "sum", "a.tensor"))

    def test_info_goes_on_after_a_broken_file(self):
        self.tensor("gen", "-d", "ones", "2", "a.tensor")
        done = self.run_tensor("info", "none.tensor", "a.tensor")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a.tensor: 2", done.stdout)

    def test_shapes(self):
        self.tensor("gen", "2x3", "a.tensor")
        self.assertIn("cannot multiply 2x3 by 2x3", self.refused(1, "matmul", "a.tensor", "a.tensor", "-"))
        self.assertIn("no axis 2", self.refused(1, "sum", "-a", "2", "a.tensor"))
        self.assertIn("too large", self.refused(1, "gen", "4000000000x4000000000x4000000000", "-"))

    def test_full_disk(self):
        self.assertIn("No space left", self.refused(1, "gen", "1000x100", "/dev/full"))
        with open("/dev/full", "wb") as full:
            done = subprocess.run([COMMAND, "gen", "2", "-"], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


if __name__ == "__main__":
    unittest.main()
