"""An authority, certificates, users and web configuration files, made for a test."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import trustme

#: bcrypt at its lowest cost, which is quick: of the password ``secret``.
HASHED = "$2y$04$Gzpm/G928.dLAH3VFP634O4zqBT9X48wA.nUz4pgv02s2rcbqna/i"
PASSWORD = "secret"  # noqa: S105 - of nobody


def basic(user: str, password: str = PASSWORD) -> dict[str, str]:
    """Return the header that carries a user's password."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


class Certificates:
    """An authority with a server's and a client's certificate, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.certificate, self.key = self.issue("server", "localhost", "127.0.0.1", "::1")
        self.client, self.client_key = self.issue("client", "scraper.example")

    def issue(self, name: str, *names: str) -> tuple[Path, Path]:
        """Write a certificate for some names, and its key; or write them again."""
        made = self.authority.issue_cert(*names)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.cert_chain_pems[0].bytes())
        key.touch(0o600)
        key.write_bytes(made.private_key_pem.bytes())
        return certificate, key

    def web(self, name: str = "web.yml", **sections: Any) -> Path:
        """Write a web configuration file, with TLS unless ``tls_server_config`` says otherwise."""
        path = self.folder / name
        tls = {"cert_file": self.certificate.name, "key_file": self.key.name}
        tls.update(sections.pop("tls_server_config", {}))
        path.write_text(json.dumps({"tls_server_config": tls, **sections}))
        return path

    def trusting(self, *, known: bool = False) -> ssl.SSLContext:
        """Return what a client needs: trust in the authority, and a certificate where known."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if known:
            context.load_cert_chain(self.client, self.client_key)
        return context
