"""Certificates as PBXs have them: made by themselves, or signed, good or not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
import ssl
import subprocess
from tempfile import TemporaryDirectory
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key. One without an issuer has signed itself."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def make(
        cls,
        host: str = "127.0.0.1",
        *,
        issuer: Self | None = None,
        is_authority: bool = False,
        expires: timedelta = timedelta(days=365),
    ) -> Self:
        """Make one for a host that is an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        signer = issuer.key if issuer else key
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.certificate.subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1000))
            .not_valid_after(now + expires)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False
            )
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=is_authority,
                    crl_sign=is_authority,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .sign(signer, SHA256())
        )
        return cls(certificate, key)

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, in hexadecimal."""
        return sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def pem(self) -> str:
        """The certificate, without its key."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def write(self, file: Path) -> None:
        """Write it with its key."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(self.pem.encode() + key)

    def context(
        self, *, newest: ssl.TLSVersion | None = None, ciphers: str | None = None
    ) -> ssl.SSLContext:
        """Return what a server shows it with. Touches the disk, since OpenSSL reads files alone.

        `newest` makes it a server from another decade, which knows nothing newer, and
        `ciphers` one that knows nothing else.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with TemporaryDirectory() as folder:
            file = Path(folder) / "certificate.pem"
            self.write(file)
            # OpenSSL checks keys by the level that is set by then.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.load_cert_chain(file)
        if newest or ciphers:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers(f"{ciphers or 'DEFAULT'}:@SECLEVEL=0")
            context.load_dh_params(str(Path(__file__).parent / "dh1024.pem"))
        if newest:
            context.maximum_version = newest
        return context


def rsa_certificate(
    host: str = "127.0.0.1", *, bits: int = 2048, hash_name: str = "sha256"
) -> Certificate:
    """Make one as old PBXs have it: with RSA, signed by itself. Takes a second, and OpenSSL's program.

    Only the program still signs with SHA-1.
    """
    with TemporaryDirectory() as folder:
        key, certificate = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-newkey", f"rsa:{bits}", f"-{hash_name}"),
                *("-subj", f"/CN={host}", "-days", "3650", "-keyout", key, "-out", certificate),
            ],
            check=True,
            capture_output=True,
        )
        loaded = load_pem_private_key(key.read_bytes(), password=None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        return Certificate(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)
