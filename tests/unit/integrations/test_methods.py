"""Route templates and the methods they stand for."""

from __future__ import annotations

import doctest

import pytest

from butterfly_otel.integrations import http, methods
from butterfly_otel.integrations.methods import Routes

ROUTES = Routes(
    {
        "/v1/generate": "inference",
        "POST /v1/checkpoints": "checkpoint",
        "GET /v1/checkpoints": "inference",
        "/v1/models/{name}/generate": "inference",
        "PUT /files/{rest:path}": "checkpoint",
        "/flask/<int:number>/<path:rest>": "checkpoint",
        "/flask/<any(a,b):word>": "inference",
        "/v1/models/exact/generate": "health_check",
    }
)


@pytest.mark.parametrize(
    ("verb", "path", "method"),
    [
        ("GET", "/v1/generate", "inference"),
        ("OPTIONS", "/v1/generate", None),
        ("GET", "/v1/generate/", None),
        ("POST", "/v1/checkpoints", "checkpoint"),
        ("GET", "/v1/checkpoints", "inference"),
        ("DELETE", "/v1/checkpoints", None),
        ("GET", "/v1/models/llama/generate", "inference"),
        ("OPTIONS", "/v1/models/llama/generate", None),
        ("GET", "/v1/models/a/b/generate", None),
        ("GET", "/v1/models//generate", None),
        ("GET", "/v1/models/exact/generate", "health_check"),
        ("PUT", "/files/a/b", "checkpoint"),
        ("GET", "/files/a/b", None),
        ("GET", "/flask/1/a/b", "checkpoint"),
        ("GET", "/flask/a", "inference"),
        ("GET", "/v1/models/a\nb/generate", "inference"),
        ("GET", "/v1xgenerate", None),
    ],
)
def test_templates(verb: str, path: str, method: str | None) -> None:
    """A template matches what the frameworks' routes match; preflights are nobody's request."""
    assert ROUTES.find(verb, path) == method


def test_the_documentation_is_true() -> None:
    """The examples of the docstrings hold."""
    for module in (methods, http):
        assert doctest.testmod(module).failed == 0
