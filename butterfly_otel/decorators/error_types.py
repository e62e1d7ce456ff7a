"""From an exception to the value of ``error_type``.

Exceptions are looked up by their classes, the most derived first, so an entry for a class
also speaks for its subclasses. A class may be named instead of imported
(``"torch.OutOfMemoryError"``), and may say its own type by an attribute::

    class InvalidProof(Exception):
        butterfly_error_type = "byzantine_fault"

There is no registry: an :class:`ErrorTypes` is a value, extended by ``|`` and handed to the
decorators that are to use it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, cast

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process.contain import ask

if TYPE_CHECKING:
    from typing_extensions import Self

#: What an exception counts as: an error type, or None where it is no error, or what decides.
Verdict = str | Callable[[BaseException], str | None] | None
#: A class of exceptions, or its full name such as ``"torch.OutOfMemoryError"``.
ExceptionKey = type[BaseException] | str


class HasEntries(Protocol):
    """A mapping from exceptions to what they count as, whatever its keys are typed as."""

    def items(self) -> Iterable[tuple[ExceptionKey, Verdict]]:
        """Return the entries."""
        ...


#: Both are a mapping: the first types what is written in place, the second what is passed on.
Entries = Mapping[ExceptionKey, Verdict] | HasEntries

_GROUPS: Final = frozenset({"builtins.BaseExceptionGroup", "exceptiongroup.BaseExceptionGroup"})
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OUT_OF_MEMORY = re.compile(
    r"(CUDA|HIP|XPU|MPS) (error: )?(backend )?out of memory|RESOURCE_EXHAUSTED: Out of memory",
    re.IGNORECASE,
)
#: What goes wrong on a disk rather than on a network.
_DISK_ERRNOS: Final = frozenset(
    getattr(errno, name)
    for name in ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EMFILE", "ENFILE", "EBADF")
    if hasattr(errno, name)
)


class ErrorTypes:
    """An immutable map from exceptions to error types.

    Keys are exception classes or their full names. A value is an error type; None for what is
    no error (the request then counts as a success); or a function that takes the exception and
    returns either. What no entry covers is named after its class: ``ValueError`` is
    ``value_error``. An exception group is its first leaf. Thread-safe.

    >>> types = ERROR_TYPES | {ZeroDivisionError: "arithmetic", "asyncio.queues.QueueFull": None}
    >>> types.classify(ZeroDivisionError()), types.classify(TimeoutError())
    ('arithmetic', 'timeout')

    Raises:
        ConfigurationError: When a key or a value is none of these.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Entries) -> None:
        if not hasattr(entries, "items"):
            msg = f"error types are {entries!r}; use a mapping such as {{ValueError: 'bad_value'}}"
            raise ConfigurationError(msg)
        for key, verdict in entries.items():
            _require_valid(key, verdict)
        self._entries = MappingProxyType({_name(key): each for key, each in entries.items()})

    def __or__(self, more: Entries) -> ErrorTypes:
        """Return these error types with ``more`` of them, which win."""
        extended = ErrorTypes(more)
        extended._entries = MappingProxyType({**self._entries, **extended._entries})
        return extended

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[ErrorTypes], tuple[Entries]]:
        return ErrorTypes, (dict(self._entries),)

    def __repr__(self) -> str:
        return f"<ErrorTypes of {len(self._entries)} exceptions>"

    def classify(self, error: BaseException) -> str | None:
        """Return the error type of ``error``, or None where it counts as no error.

        Never raises: a function in the map that does is logged and counts for nothing.
        """
        for cls in type(error).__mro__:
            name = _name(cls)
            if name in self._entries:
                return self._judge(self._entries[name], error)
            declared = cls.__dict__.get("butterfly_error_type")
            if isinstance(declared, str) and declared:
                return declared
            if name in _GROUPS:
                leaves = cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
                return self.classify(leaves[0]) if leaves else name_of(error)
        return name_of(error)

    @staticmethod
    def _judge(verdict: Verdict, error: BaseException) -> str | None:
        if not callable(verdict):
            return verdict
        return ask(verdict, name_of(error), error)


def name_of(error: BaseException) -> str:
    """Return the error type of what no map covers: its class in snake case.

    >>> name_of(ZeroDivisionError())
    'zero_division_error'
    """
    return _WORD.sub("_", type(error).__name__).lower()


def extended(errors: ErrorTypes | Entries | None) -> ErrorTypes:
    """Return ``errors`` itself, or the defaults extended by a mapping."""
    if isinstance(errors, ErrorTypes):
        return errors
    return ERROR_TYPES if errors is None else ERROR_TYPES | errors


def _name(key: ExceptionKey) -> str:
    return key if isinstance(key, str) else f"{key.__module__}.{key.__qualname__}"


def _require_valid(key: object, verdict: object) -> None:
    named = isinstance(key, str) and "." in key
    if not named and not (isinstance(key, type) and issubclass(key, BaseException)):
        msg = (
            f"error types have the key {key!r}; use an exception class or its full name with"
            " its module, such as 'torch.OutOfMemoryError'"
        )
        raise ConfigurationError(msg)
    if verdict is None or callable(verdict) or (isinstance(verdict, str) and verdict):
        return
    msg = (
        f"error types map {key!r} to {verdict!r}; use a name such as 'timeout', None for what"
        " is no error, or a function of the exception"
    )
    raise ConfigurationError(msg)


def _of_runtime_error(error: BaseException) -> str:
    """Tell memory that ran out on an accelerator, which older versions report as text only."""
    return "oom" if _OUT_OF_MEMORY.search(str(error)) else name_of(error)


def _of_os_error(error: BaseException) -> str:
    """Tell the disk from the network, both of which report by OSError."""
    return "io_error" if getattr(error, "errno", None) in _DISK_ERRNOS else "network_error"


def _of_rpc_error(error: BaseException) -> str:
    """Tell gRPC's deadlines and cancellations from failures of transport."""
    code = getattr(error, "code", None)
    status = getattr(code() if callable(code) else code, "name", "")
    return {
        "DEADLINE_EXCEEDED": "timeout",
        "CANCELLED": "cancelled",
        "UNAVAILABLE": "network_error",
    }.get(status, f"grpc_{status.lower()}" if status else name_of(error))


#: The defaults; extend them with ``ERROR_TYPES | {...}``.
#:
#: ``cancelled`` is what its caller gave up: a task that was cancelled, or a stream that was
#: closed before its last item.
ERROR_TYPES: Final = ErrorTypes(
    {
        TimeoutError: "timeout",
        "asyncio.exceptions.TimeoutError": "timeout",  # Python 3.10: not yet the builtin
        "concurrent.futures._base.TimeoutError": "timeout",  # likewise
        "httpx.TimeoutException": "timeout",
        "requests.exceptions.Timeout": "timeout",
        MemoryError: "oom",
        RuntimeError: _of_runtime_error,
        "torch.OutOfMemoryError": "oom",
        "torch.cuda.OutOfMemoryError": "oom",
        "cupy.cuda.memory.OutOfMemoryError": "oom",
        OSError: _of_os_error,
        ConnectionError: "network_error",
        EOFError: "network_error",
        "asyncio.exceptions.IncompleteReadError": "network_error",
        "httpx.TransportError": "network_error",
        "grpc.RpcError": _of_rpc_error,
        FileNotFoundError: "io_error",
        FileExistsError: "io_error",
        IsADirectoryError: "io_error",
        NotADirectoryError: "io_error",
        PermissionError: "io_error",
        "asyncio.exceptions.CancelledError": "cancelled",
        "concurrent.futures._base.CancelledError": "cancelled",
        GeneratorExit: "cancelled",
        KeyboardInterrupt: "interrupted",
        SystemExit: "interrupted",
    }
)
