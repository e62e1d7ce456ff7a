"""Certificates, made once, and an environment without anybody's proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.lint.fetch.endpoints import Certificates

if TYPE_CHECKING:
    pass


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates and their authorities."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("BUTTERFLY_OTEL_PASSWORD", raising=False)
