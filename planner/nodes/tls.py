"""TLS as a node's settings want it: one context for all nodes that have the same ones."""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import disable_warnings
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util.ssl_ import create_urllib3_context

from planner.errors import SecretUnresolved
from planner.references import MAX_PEM, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.access import Tls

OLDEST = ssl.TLSVersion.TLSv1_2


def context_for(tls: Tls, bundle: str | None) -> ssl.SSLContext:
    """The context of all connections with these settings; the host's name is checked with the certificate.

    Args:
        tls: the settings.
        bundle: file or folder of the authorities that the environment names; None: those of requests.

    Raises:
        SecretUnresolved: a certificate or a key cannot be had, or is none.
        OSError: the environment's bundle is not there, or is none.
    """
    context = create_urllib3_context(ssl_minimum_version=OLDEST.value)
    if tls.verify:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        _load_authorities(context, tls, bundle or DEFAULT_CA_BUNDLE_PATH)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        disable_warnings(InsecureRequestWarning)  # of every request; the run warns once, and by name
    if tls.certificate:
        _load_certificate(context, tls)
    return context


def _load_authorities(context: ssl.SSLContext, tls: Tls, bundle: str) -> None:
    if not tls.ca:
        folder = Path(bundle).is_dir()
        context.load_verify_locations(None if folder else bundle, bundle if folder else None)
        return
    pem = resolve(tls.ca, purpose="the certificates of `tls.ca`", limit=MAX_PEM, lines=True)
    # Bundles have comments between the certificates, in any letters; OpenSSL's way in takes ASCII alone.
    blocks = re.findall(r"-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----", pem)
    try:
        context.load_verify_locations(cadata="\n".join(blocks) or "none")
    except (ssl.SSLError, ValueError) as error:
        raise _unusable("The certificates of `tls.ca` cannot be used", tls.ca, error) from None


def _load_certificate(context: ssl.SSLContext, tls: Tls) -> None:
    """Show our certificate. OpenSSL takes files only, and would ask the terminal for a key's password."""
    pem = resolve(tls.certificate, purpose="the certificate of `tls.certificate`", limit=MAX_PEM, lines=True)
    if tls.key:
        pem += "\n" + resolve(tls.key, purpose="the private key of `tls.key`", limit=MAX_PEM, lines=True)
    try:
        with _private_file(pem) as path:
            context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        place = tls.key or tls.certificate
        raise _unusable("The client certificate and its key cannot be used", place, error) from None


def _no_password() -> str:
    raise ValueError("the private key is encrypted, and nobody is there to type its password")


@contextmanager
def _private_file(content: str) -> Iterator[str]:
    """A file that nobody else can open, for as long as it is needed; on Linux it is on no disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("planner")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write(content)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            Path(path).unlink()


def _unusable(what: str, place: str, error: Exception) -> SecretUnresolved:
    said = str(error)
    why = said
    if "KEY_VALUES_MISMATCH" in said:
        why = "the key belongs to another certificate"
    elif "PEM" in said or "no certificate" in said.lower():
        why = "it is not PEM, or not whole"
    return SecretUnresolved(
        what,
        where=place,
        why=why,
        next="check that it is PEM, complete, and not encrypted",
    )
