"""The options by which endpoints are reached, for every command that reads some."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from butterfly_otel.lint.expositions.fetch import Access, TargetError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

#: Where a password may stand that is in no file.
PASSWORD = "BUTTERFLY_OTEL_PASSWORD"  # noqa: S105 - a variable's name

EPILOG = """\
endpoints: a URL, or host:port, [address]:port, :port for this machine; without a scheme http is
  spoken, and https with --ca, --cert or --insecure; without a path /metrics is asked for.
  Proxies are those of http_proxy, https_proxy and no_proxy; none is used for localhost.
"""


def add_access_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`access_of` reads."""
    add = parser.add_argument_group("reaching endpoints").add_argument
    add("--ca", metavar="FILE", help="authorities that an endpoint's certificate is signed by")
    add("--cert", metavar="FILE", help="certificate to show to endpoints, for mutual TLS")
    add("--key", metavar="FILE", help="its key, unless --cert has it")
    add("--insecure", action="store_true", help="accept any certificate of an endpoint")
    add(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="header to send; repeatable",
    )
    add("--bearer-file", metavar="FILE", help="file of a token to send")
    add("--user", metavar="NAME", help="user to send with a password")
    add(
        "--password-file",
        metavar="FILE",
        help=f"file of that password (default: it is in the variable {PASSWORD})",
    )


def access_of(args: argparse.Namespace) -> Access:
    """Return what the options say.

    Raises:
        TargetError: When some of them do not go together, or a header is none.
    """
    # A variable is for who wants it: it may be there for another command.
    from_variable = args.user is not None and args.password_file is None
    return Access(
        ca=args.ca,
        cert=args.cert,
        key=args.key,
        insecure=args.insecure,
        headers=_headers(args.header),
        bearer_file=args.bearer_file,
        user=args.user,
        password=(os.environ.get(PASSWORD) or None) if from_variable else None,
        password_file=args.password_file,
    )


def _headers(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            # Not repeated: it may be a secret.
            raise TargetError("--header has no colon; write 'Name: value'")
        found[name.strip()] = value.strip()
    return found
