"""Certificates for `voiceagent serve` over TLS: the user's own, or one that signs itself for this machine.

Some clients insist on TLS even to localhost (the ElevenLabs SDK's realtime one rewrites every address to
wss). They trust a self-signed certificate through `SSL_CERT_FILE`.
"""

from __future__ import annotations

import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint

NAMES = ("localhost", "127.0.0.1", "::1")
VALID = timedelta(days=397)  # the longest that clients are sure to take
RENEW_BEFORE = timedelta(days=7)


Paths: TypeAlias = tuple[Path, Path]
"""Of a certificate and of its private key, both PEM."""


def key_pair(cert: Path | None, key: Path | None, *, self_signed_one: bool) -> tuple[str | None, str | None]:
    """The pair that the command line asks for; nothing where it asks for none.

    Raises:
        InputError: it asks for both kinds, or one cannot be made.
    """
    if not self_signed_one:
        return str(cert) if cert else None, str(key) if key else None
    if cert or key:
        raise InputError("--tls-self-signed makes a certificate itself: leave out --tls-cert and --tls-key")
    made, its_key = self_signed()
    return str(made), str(its_key)


def check(certificate: str | Path, key: str | Path) -> None:
    """Makes sure that a server can use the pair, before anything slow happens.

    Raises:
        InputError: a file cannot be read, is not PEM, or the key is not that of the certificate.
    """
    for path in (certificate, key):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        # Without the callback, a key with a passphrase would ask for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        wanted = "tls_cert wants a PEM certificate (with its chain) and tls_key its key, without a passphrase"
        raise InputError(f"{certificate} and {key} do not work together: {wanted} ({error})") from error


def user_folder() -> Path:
    """Where this user's certificate is kept."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "voiceagent" / "tls"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "voiceagent" / "tls"


def self_signed(folder: Path | None = None) -> Paths:
    """The pair for localhost in a folder, made where there is none that is still valid.

    Raises:
        InputError: the folder cannot be written, or `cryptography` is not installed.
    """
    folder = folder or user_folder()
    pair = certificate_path, key_path = folder / "cert.pem", folder / "key.pem"
    try:
        from cryptography import x509
    except ModuleNotFoundError as error:
        raise InputError(f"--tls-self-signed needs more: {install_hint('tls')}") from error
    now = datetime.now(UTC)
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        check(certificate_path, key_path)
        if certificate.not_valid_after_utc - now > RENEW_BEFORE:
            return pair
    except (OSError, ValueError, InputError):
        pass  # none yet, or none that works: make it
    certificate_pem, key_pem = _make(now)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_private(key_path, key_pem)
        certificate_path.write_bytes(certificate_pem)
    except OSError as error:
        raise InputError(f"cannot keep a certificate in {folder}: {error.strerror}") from error
    return pair


def _make(now: datetime) -> tuple[bytes, bytes]:
    """A certificate for `NAMES` that signs itself and can sign nothing else, and its key, both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName(n) if n == "localhost" else x509.IPAddress(ip_address(n)) for n in NAMES]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, without = serialization.Encoding.PEM, serialization.NoEncryption()
    key_pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, without)
    return certificate.public_bytes(encoding), key_pem


def _write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
