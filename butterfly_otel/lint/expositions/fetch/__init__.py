"""Reading what is to be looked at: an endpoint, a file or standard input.

:mod:`.address` tells an endpoint from a file, :mod:`.access` has what a client shows and trusts,
:mod:`.tls`, :mod:`.proxies` and :mod:`.protocols` how it gets there, :mod:`.failures` says in a
sentence why it did not, and :mod:`.reading` puts them together. ``check``, ``top`` and the test
kit use this alone.
"""

from __future__ import annotations

from butterfly_otel.lint.expositions.fetch.access import Access
from butterfly_otel.lint.expositions.fetch.address import is_endpoint, url_of
from butterfly_otel.lint.expositions.fetch.errors import TargetError
from butterfly_otel.lint.expositions.fetch.reading import Answer, Client, read_target

__all__ = ["Access", "Answer", "Client", "TargetError", "is_endpoint", "read_target", "url_of"]
