import array
import ctypes
import os
import weakref

from ._library import ALL_AXES, MAX_DIMS, ArgumentError, ShapeError, check, lib


def _sizes(shape):
    if len(shape) > MAX_DIMS:
        raise ArgumentError(f"{len(shape)} dimensions are too many, {MAX_DIMS} is the most")
    if any(n < 0 for n in shape):
        raise ShapeError(f"a dimension of {shape} is negative")
    return (ctypes.c_size_t * len(shape))(*shape)


def _nested_shape(nested):
    """The shape of nested lists, judged by their first elements."""
    shape = []
    while isinstance(nested, (list, tuple)):
        shape.append(len(nested))
        if not nested:
            break
        nested = nested[0]
    return tuple(shape)


def _flatten(nested, shape):
    """The numbers of nested lists, which must all have that shape."""
    if not shape:
        if isinstance(nested, (list, tuple)):
            raise ShapeError("the lists are nested to different depths")
        yield nested
        return
    if not isinstance(nested, (list, tuple)) or len(nested) != shape[0]:
        raise ShapeError("the lists have different lengths")
    for element in nested:
        yield from _flatten(element, shape[1:])


def _nest(numbers, shape):
    """Takes from an iterator what nested lists of that shape hold."""
    if not shape:
        return next(numbers)
    return [_nest(numbers, shape[1:]) for _ in range(shape[0])]


class Tensor:
    """An array of 32-bit floats of up to 8 dimensions, as in NumPy: + - * / broadcast, @ multiplies matrices.

    A number works as an operand beside a tensor. Operations make new tensors; fill() and writing through data change
    this one.
    """

    def __init__(self, *shape):
        """Zeros: Tensor(2, 3) is a matrix, Tensor() a single number."""
        handle = ctypes.c_void_p()
        check(lib.tensor_create(len(shape), _sizes(shape), ctypes.byref(handle)), f"shape {shape}")
        self._own(handle)

    def _own(self, handle):
        self._handle = handle
        self._owner = weakref.finalize(self, lib.tensor_free, handle)
        self._owner.atexit = False  # the process gives its memory back anyway

    @classmethod
    def _from(cls, function, *arguments, about=None):
        """What a function of the library returns through its last parameter."""
        handle = ctypes.c_void_p()
        check(function(*arguments, ctypes.byref(handle)), about)
        result = cls.__new__(cls)
        result._own(handle)
        return result

    @classmethod
    def of(cls, nested):
        """From nested lists of numbers, or from a number."""
        shape = _nested_shape(nested)
        result = cls(*shape)
        result.data[:] = array.array("f", _flatten(nested, shape))
        return result

    @classmethod
    def uniform(cls, *shape, seed, low=0.0, high=1.0):
        """Random numbers from [low, high); the same for the same seed, everywhere."""
        result = cls(*shape)
        lib.tensor_fill_uniform(result._handle, lib.tensor_rng_seed(seed), low, high)
        return result

    @classmethod
    def normal(cls, *shape, seed, mean=0.0, deviation=1.0):
        """Normally distributed random numbers."""
        result = cls(*shape)
        lib.tensor_fill_normal(result._handle, lib.tensor_rng_seed(seed), mean, deviation)
        return result

    @classmethod
    def load(cls, path):
        """From a file in the binary format. OSError or FormatError when that fails."""
        return cls._from(lib.tensor_load, os.fsencode(path), about=os.fspath(path))

    def save(self, path):
        """Into a file in the binary format."""
        check(lib.tensor_save(self._handle, os.fsencode(path)), os.fspath(path))

    @property
    def shape(self):
        return tuple(lib.tensor_shape(self._handle)[: lib.tensor_ndim(self._handle)])

    @property
    def data(self):
        """The elements themselves, row by row: a memoryview of format "f" that can be written to."""
        if len(self) == 0:
            return memoryview(array.array("f"))
        first = lib.tensor_data(self._handle).contents
        elements = (ctypes.c_float * len(self)).from_address(ctypes.addressof(first))
        elements._tensor = self  # the view keeps the elements, and they the tensor
        return memoryview(elements).cast("B").cast("f")  # without ctypes' byte order, which assignments mind

    def __len__(self):
        """Number of elements, unlike in NumPy."""
        return lib.tensor_count(self._handle)

    def __bool__(self):
        raise TypeError("a tensor is neither true nor false")

    def tolist(self):
        """Nested lists of float, or a float where there are no dimensions."""
        return _nest(iter(self.data), self.shape)

    def item(self):
        """The only element."""
        if len(self) != 1:
            raise ShapeError(f"a tensor of shape {self.shape} is not a single number")
        return self.data[0]

    def copy(self):
        return self._from(lib.tensor_copy, self._handle)

    def fill(self, value):
        lib.tensor_fill(self._handle, value)

    def reshape(self, *shape):
        """The same elements in another shape."""
        result = self.copy()
        check(lib.tensor_reshape(result._handle, len(shape), _sizes(shape)), f"reshape {self.shape} to {shape}")
        return result

    def transpose(self, *axes):
        """Dimension i of the result is dimension axes[i]; without axes, all are reversed."""
        if axes and len(axes) != len(self.shape):
            raise ArgumentError(f"{len(axes)} axes for {len(self.shape)} dimensions")
        order = (ctypes.c_int * len(axes))(*axes) if axes else None
        return self._from(lib.tensor_transpose, self._handle, order, about=f"transpose {self.shape} by {axes}")

    def _reduce(self, function, axis, keep_dims):
        number = ALL_AXES if axis is None else axis
        return self._from(function, self._handle, number, keep_dims, about=f"shape {self.shape}, axis {axis}")

    def sum(self, axis=None, keep_dims=False):
        return self._reduce(lib.tensor_sum, axis, keep_dims)

    def mean(self, axis=None, keep_dims=False):
        return self._reduce(lib.tensor_mean, axis, keep_dims)

    def min(self, axis=None, keep_dims=False):
        return self._reduce(lib.tensor_min, axis, keep_dims)

    def max(self, axis=None, keep_dims=False):
        return self._reduce(lib.tensor_max, axis, keep_dims)

    def softmax(self, axis=-1):
        return self._from(lib.tensor_softmax, self._handle, axis, about=f"shape {self.shape}, axis {axis}")

    def _binary(self, function, other, swapped=False):
        if isinstance(other, (int, float)):
            other = Tensor.of(other)
        if not isinstance(other, Tensor):
            return NotImplemented
        a, b = (other, self) if swapped else (self, other)
        return self._from(function, a._handle, b._handle, about=f"shapes {a.shape} and {b.shape}")

    def __add__(self, other):
        return self._binary(lib.tensor_add, other)

    def __radd__(self, other):
        return self._binary(lib.tensor_add, other, swapped=True)

    def __sub__(self, other):
        return self._binary(lib.tensor_sub, other)

    def __rsub__(self, other):
        return self._binary(lib.tensor_sub, other, swapped=True)

    def __mul__(self, other):
        return self._binary(lib.tensor_mul, other)

    def __rmul__(self, other):
        return self._binary(lib.tensor_mul, other, swapped=True)

    def __truediv__(self, other):
        return self._binary(lib.tensor_div, other)

    def __rtruediv__(self, other):
        return self._binary(lib.tensor_div, other, swapped=True)

    def __matmul__(self, other):
        if not isinstance(other, Tensor):
            return NotImplemented
        return self._binary(lib.tensor_matmul, other)

    def __repr__(self):
        if len(self) > 100:
            return f"<Tensor of shape {self.shape}>"
        return f"Tensor.of({self.tolist()})"
