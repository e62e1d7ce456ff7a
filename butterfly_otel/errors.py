"""Every exception butterfly-otel raises on purpose.

::

    ButterflyOtelError
    ├── ConfigurationError (ValueError)     a setting is wrong; raised once, at start
    │   └── ViewError                       an overlay of Views is wrong
    ├── CatalogError (ValueError)           a contract is wrong, or can't be read
    ├── LabelError (ValueError)             strict mode only: a label breaks the contract
    └── MeasurementError (ValueError)       strict mode only: a value can't be measured

In production mode (``strict=False``) nothing but the first three is ever raised, and
those only by functions that configure or render, never by a measurement.
"""

from __future__ import annotations


class ButterflyOtelError(Exception):
    """Base of every exception this package raises on purpose."""


class ConfigurationError(ButterflyOtelError, ValueError):
    """A setting is wrong: the message says what, where it was set and how to mend it."""


class ViewError(ConfigurationError):
    """An overlay of Views is malformed or asks for more than the contract allows."""


class CatalogError(ButterflyOtelError, ValueError):
    """A contract is wrong: the message says what, in which file and group, and how to mend it."""


class LabelError(ButterflyOtelError, ValueError):
    """Strict mode: a label key or value is outside the contract."""


class MeasurementError(ButterflyOtelError, ValueError):
    """Strict mode: a measured value is not a finite number, or is negative where it may not be."""
