"""Arrays of float in C, from Python: a binding of libtensor by ctypes, without a compiler or other packages.

>>> from tensor import Tensor
>>> Tensor.of([[1, 2], [3, 4]]) @ Tensor.of([[1, 0], [0, 2]])
Tensor.of([[1.0, 4.0], [3.0, 8.0]])

The library is the one that the variable TENSOR_LIBRARY names, else that of the build/ folder beside this binding, else
an installed one.
"""

from ._library import ArgumentError, FormatError, ShapeError, TensorError, version
from ._tensor import Tensor

__all__ = ["ArgumentError", "FormatError", "ShapeError", "Tensor", "TensorError", "version"]
