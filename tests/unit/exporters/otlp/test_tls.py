"""TLS files: what no export could use is said when the exporter is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from butterfly_otel import ConfigurationError
from butterfly_otel.exporters.otlp import build_otlp_exporter
from butterfly_otel.settings.config import load_config
from tests.unit.integrations.aioquic.support import certificate

PROTOCOLS = ("http/protobuf", "grpc")
Build = Callable[..., None]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return what makes an exporter with files by their names, and ends it."""
    made, key = certificate()
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    contents = {
        "cert": made.public_bytes(pem),
        "key": key.private_bytes(pem, private, serialization.NoEncryption()),
        "locked": key.private_bytes(pem, private, serialization.BestAvailableEncryption(b"x")),
        "garbage": b"no PEM",
    }
    contents["both"] = contents["key"] + contents["cert"]
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    def make(protocol: str, **files: str) -> None:
        node = {"node_id": "n", "node_role": "compute", "otlp_endpoint": "https://localhost:1/"}
        paths = {name: tmp_path / file for name, file in files.items()}
        settings = load_config({**node, "otlp_protocol": protocol, **paths}, {}).otlp
        build_otlp_exporter(settings).shutdown()

    return make


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_files_that_belong_together_are_taken(build: Build, protocol: str) -> None:
    """An authority, and a certificate with its key."""
    build(protocol, otlp_certificate="cert", otlp_client_certificate="cert", otlp_client_key="key")


def test_one_file_may_have_certificate_and_key(build: Build) -> None:
    """By HTTP the certificate's file may bring the key."""
    build("http/protobuf", otlp_client_certificate="both")


@pytest.mark.parametrize(
    ("protocol", "files", "message"),
    [
        # Half a pair makes the gRPC library end the whole process.
        ("grpc", {"otlp_client_key": "key"}, "without otlp_client_certificate; set both"),
        ("grpc", {"otlp_client_certificate": "cert"}, "without otlp_client_key; by gRPC set both"),
        ("http/protobuf", {"otlp_client_key": "key"}, "without otlp_client_certificate"),
        *(
            (protocol, files, message)
            for protocol in PROTOCOLS
            for files, message in (
                ({"otlp_certificate": "garbage"}, "otlp_certificate can't be used"),
                (
                    {"otlp_client_certificate": "cert", "otlp_client_key": "garbage"},
                    "otlp_client_certificate with its key can't be used",
                ),
                (
                    {"otlp_client_certificate": "cert", "otlp_client_key": "locked"},
                    "must be PEM without a password",
                ),
            )
        ),
    ],
)
def test_files_that_no_export_could_use_are_one_error(
    build: Build, protocol: str, files: dict[str, str], message: str
) -> None:
    """It is raised at start, not logged by every export."""
    with pytest.raises(ConfigurationError, match=message):
        build(protocol, **files)
