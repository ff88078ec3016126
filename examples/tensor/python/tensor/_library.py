"""Finds libtensor, declares its functions and turns its statuses into exceptions."""

import ctypes
import ctypes.util
import os
from pathlib import Path

MAX_DIMS = 8
ALL_AXES = -1000


class TensorError(Exception):
    """What the library reports and no exception of Python's own says better."""


class ArgumentError(TensorError, ValueError):
    """An axis that is not there, or too many dimensions."""


class ShapeError(TensorError, ValueError):
    """Shapes that do not fit each other or the operation."""


class FormatError(TensorError, ValueError):
    """A file that is no tensor, is incomplete or has changed."""


def _find():
    named = os.environ.get("TENSOR_LIBRARY")
    if named:
        return named
    built = Path(__file__).resolve().parents[2] / "build" / "libtensor.so"
    if built.exists():
        return str(built)
    installed = ctypes.util.find_library("tensor")
    if installed:
        return installed
    raise ImportError(f"libtensor is neither at {built} nor installed: build it, or set TENSOR_LIBRARY to its path")


class Rng(ctypes.Structure):
    """tensor_rng of the C library."""

    _fields_ = [("state", ctypes.c_uint64)]


_handle = ctypes.c_void_p
_sizes = ctypes.POINTER(ctypes.c_size_t)
_out = ctypes.POINTER(ctypes.c_void_p)
_binary = (ctypes.c_int, [_handle, _handle, _out])
_reduction = (ctypes.c_int, [_handle, ctypes.c_int, ctypes.c_int, _out])

_SIGNATURES = {
    "tensor_version": (ctypes.c_char_p, []),
    "tensor_status_text": (ctypes.c_char_p, [ctypes.c_int]),
    "tensor_create": (ctypes.c_int, [ctypes.c_int, _sizes, _out]),
    "tensor_copy": (ctypes.c_int, [_handle, _out]),
    "tensor_free": (None, [_handle]),
    "tensor_ndim": (ctypes.c_int, [_handle]),
    "tensor_shape": (_sizes, [_handle]),
    "tensor_count": (ctypes.c_size_t, [_handle]),
    "tensor_data": (ctypes.POINTER(ctypes.c_float), [_handle]),
    "tensor_reshape": (ctypes.c_int, [_handle, ctypes.c_int, _sizes]),
    "tensor_fill": (None, [_handle, ctypes.c_float]),
    "tensor_rng_seed": (Rng, [ctypes.c_uint64]),
    "tensor_fill_uniform": (None, [_handle, ctypes.POINTER(Rng), ctypes.c_float, ctypes.c_float]),
    "tensor_fill_normal": (None, [_handle, ctypes.POINTER(Rng), ctypes.c_float, ctypes.c_float]),
    "tensor_add": _binary,
    "tensor_sub": _binary,
    "tensor_mul": _binary,
    "tensor_div": _binary,
    "tensor_matmul": _binary,
    "tensor_transpose": (ctypes.c_int, [_handle, ctypes.POINTER(ctypes.c_int), _out]),
    "tensor_sum": _reduction,
    "tensor_mean": _reduction,
    "tensor_min": _reduction,
    "tensor_max": _reduction,
    "tensor_softmax": (ctypes.c_int, [_handle, ctypes.c_int, _out]),
    "tensor_save": (ctypes.c_int, [_handle, ctypes.c_char_p]),
    "tensor_load": (ctypes.c_int, [ctypes.c_char_p, _out]),
}


def _open():
    # use_errno keeps errno where ctypes.get_errno() finds it.
    library = ctypes.CDLL(_find(), use_errno=True)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


lib = _open()

_OK, _NO_MEMORY, _BAD_ARGUMENT, _BAD_SHAPE, _IO_ERROR, _BAD_FORMAT, _BAD_CHECKSUM = range(7)
_EXCEPTIONS = {
    _BAD_ARGUMENT: ArgumentError,
    _BAD_SHAPE: ShapeError,
    _BAD_FORMAT: FormatError,
    _BAD_CHECKSUM: FormatError,
}


def check(status, about=None):
    """Raises what a status other than success means; about names the file or shapes concerned."""
    if status == _OK:
        return
    if status == _NO_MEMORY:
        raise MemoryError(about or "libtensor")
    if status == _IO_ERROR:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about)
    text = lib.tensor_status_text(status).decode()
    raise _EXCEPTIONS.get(status, TensorError)(f"{about}: {text}" if about else text)


def version():
    """The version of the library that is loaded, as "1.0.0"."""
    return lib.tensor_version().decode()
