"""Tests of the binding: that every function of the library is reached with the right arguments, and who owns what."""

import doctest
import gc
import math
import tempfile
import unittest
from pathlib import Path

import tensor
from tensor import ArgumentError, FormatError, ShapeError, Tensor


def load_tests(loader, tests, pattern):
    tests.addTests(doctest.DocTestSuite(tensor))
    return tests


class Making(unittest.TestCase):
    def test_zeros(self):
        self.assertEqual(Tensor(2, 3).tolist(), [[0, 0, 0], [0, 0, 0]])
        self.assertEqual(Tensor().tolist(), 0)
        self.assertEqual(Tensor(2, 0).tolist(), [[], []])

    def test_of_lists(self):
        t = Tensor.of([[[1, 2.5]], [[3, -4]]])
        self.assertEqual(t.shape, (2, 1, 2))
        self.assertEqual(len(t), 4)
        self.assertEqual(t.tolist(), [[[1, 2.5]], [[3, -4]]])
        self.assertEqual(Tensor.of(7).shape, ())
        self.assertEqual(Tensor.of([]).shape, (0,))

    def test_of_uneven_lists(self):
        for uneven in ([[1, 2], [3]], [[1], 2], [1, [2]], [[1], [[2]]]):
            with self.subTest(uneven), self.assertRaises(ShapeError):
                Tensor.of(uneven)
        with self.assertRaises(TypeError):
            Tensor.of(["a"])

    def test_impossible_shapes(self):
        with self.assertRaises(ArgumentError):
            Tensor(*[1] * 9)
        with self.assertRaises(ShapeError):
            Tensor(2**31, 2**31)
        with self.assertRaises(ShapeError):
            Tensor(-1)

    def test_random_numbers(self):
        t = Tensor.uniform(1000, seed=1, low=2, high=3)
        self.assertTrue(all(2 <= x < 3 for x in t.tolist()))
        self.assertEqual(t.tolist(), Tensor.uniform(1000, seed=1, low=2, high=3).tolist())
        self.assertNotEqual(t.tolist(), Tensor.uniform(1000, seed=2, low=2, high=3).tolist())
        self.assertAlmostEqual(Tensor.normal(10000, seed=1, mean=5, deviation=2).mean().item(), 5, delta=0.1)

    def test_repr(self):
        self.assertEqual(repr(Tensor.of([1, 2])), "Tensor.of([1.0, 2.0])")
        self.assertEqual(repr(Tensor(101)), "<Tensor of shape (101,)>")

    def test_version(self):
        self.assertRegex(tensor.version(), r"^\d+\.\d+\.\d+$")


class Computing(unittest.TestCase):
    matrix = Tensor.of([[1, 2, 3], [4, 5, 6]])

    def test_operators(self):
        a, b = Tensor.of([8, 6]), Tensor.of([2, 3])
        self.assertEqual((a + b).tolist(), [10, 9])
        self.assertEqual((a - b).tolist(), [6, 3])
        self.assertEqual((a * b).tolist(), [16, 18])
        self.assertEqual((a / b).tolist(), [4, 2])

    def test_numbers_as_operands(self):
        a = Tensor.of([1, 2])
        self.assertEqual((a + 1).tolist(), [2, 3])
        self.assertEqual((1 + a).tolist(), [2, 3])
        self.assertEqual((1 - a).tolist(), [0, -1])
        self.assertEqual((a - 1).tolist(), [0, 1])
        self.assertEqual((2 * a).tolist(), [2, 4])
        self.assertEqual((2 / a).tolist(), [2, 1])
        with self.assertRaises(TypeError):
            a + "1"
        with self.assertRaises(TypeError):
            a @ 1

    def test_broadcasting(self):
        self.assertEqual((self.matrix + Tensor.of([[10], [20]])).tolist(), [[11, 12, 13], [24, 25, 26]])
        with self.assertRaisesRegex(ShapeError, r"\(2, 3\) and \(2,\)"):
            self.matrix + Tensor.of([1, 2])

    def test_matmul(self):
        self.assertEqual((self.matrix @ self.matrix.transpose()).tolist(), [[14, 32], [32, 77]])
        with self.assertRaises(ShapeError):
            self.matrix @ self.matrix

    def test_transpose(self):
        self.assertEqual(self.matrix.transpose().tolist(), [[1, 4], [2, 5], [3, 6]])
        self.assertEqual(Tensor(2, 3, 4).transpose(2, 0, -2).shape, (4, 2, 3))
        for axes in ((0, 0), (0,), (0, 1, 2)):
            with self.subTest(axes), self.assertRaises(ArgumentError):
                self.matrix.transpose(*axes)

    def test_reshape(self):
        self.assertEqual(self.matrix.reshape(3, 2).tolist(), [[1, 2], [3, 4], [5, 6]])
        self.assertEqual(self.matrix.shape, (2, 3))
        with self.assertRaises(ShapeError):
            self.matrix.reshape(4)

    def test_reductions(self):
        self.assertEqual(self.matrix.sum().item(), 21)
        self.assertEqual(self.matrix.sum(axis=0).tolist(), [5, 7, 9])
        self.assertEqual(self.matrix.mean(axis=-1, keep_dims=True).tolist(), [[2], [5]])
        self.assertEqual(self.matrix.min(axis=1).tolist(), [1, 4])
        self.assertEqual(self.matrix.max().item(), 6)
        with self.assertRaises(ArgumentError):
            self.matrix.sum(axis=2)
        with self.assertRaises(ShapeError):
            Tensor(0).max()

    def test_softmax(self):
        for row in self.matrix.softmax().tolist():
            for got, x in zip(row, (1, 2, 3)):
                self.assertAlmostEqual(got, math.exp(x) / sum(map(math.exp, (1, 2, 3))), places=6)

    def test_no_truth(self):
        with self.assertRaises(TypeError):
            bool(self.matrix)
        with self.assertRaises(ShapeError):
            self.matrix.item()


class Memory(unittest.TestCase):
    def test_data_can_be_written(self):
        t = Tensor(2, 2)
        t.data[3] = 5
        self.assertEqual(t.tolist(), [[0, 0], [0, 5]])
        t.fill(2)
        self.assertEqual(list(t.data), [2, 2, 2, 2])

    def test_data_outlives_its_tensor(self):
        view = Tensor.of([float(i) for i in range(1000)]).data
        gc.collect()
        others = [Tensor(1000) for _ in range(50)]  # would take the memory, had it been freed
        self.assertEqual(list(view), list(range(1000)))
        self.assertEqual(len(others), 50)

    def test_tensors_are_freed(self):
        t = Tensor(10)
        owner = t._owner
        self.assertTrue(owner.alive)
        del t
        gc.collect()
        self.assertFalse(owner.alive)

    def test_copies_are_independent(self):
        t = Tensor.of([1, 2])
        copy = t.copy()
        t.fill(0)
        self.assertEqual(copy.tolist(), [1, 2])


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "naïve 数.tensor"

    def test_round_trip(self):
        t = Tensor.normal(3, 4, seed=1)
        t.save(self.path)
        self.assertEqual(Tensor.load(self.path).tolist(), t.tolist())
        self.assertEqual(Tensor.load(str(self.path)).shape, (3, 4))

    def test_changed_file(self):
        Tensor.of([1, 2]).save(self.path)
        content = bytearray(self.path.read_bytes())
        content[-6] ^= 1
        self.path.write_bytes(content)
        with self.assertRaisesRegex(FormatError, "checksum"):
            Tensor.load(self.path)
        self.path.write_bytes(content[:10])
        with self.assertRaises(FormatError):
            Tensor.load(self.path)

    def test_system_errors(self):
        with self.assertRaises(FileNotFoundError) as caught:
            Tensor.load(self.path)
        self.assertEqual(caught.exception.filename, str(self.path))
        with self.assertRaises(IsADirectoryError):
            Tensor(1).save(self.path.parent)


if __name__ == "__main__":
    unittest.main()
