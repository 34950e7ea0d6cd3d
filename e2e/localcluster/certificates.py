"""A certificate authority for one control plane, made with openssl's command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.localcluster.processes import run

DAYS = "365"


@dataclass(frozen=True)
class KeyPair:
    """Paths of a PEM certificate and of its private key."""

    certificate: Path
    key: Path


def private_key(path: Path) -> Path:
    """Writes a P-256 private key, readable by its owner only."""
    path.touch(mode=0o600)
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    return path


def rsa_private_key(path: Path) -> Path:
    """Writes an RSA private key in the form of PKCS #1, which some programs insist on."""
    path.touch(mode=0o600)
    run("openssl", "genrsa", "-traditional", "-out", path, "2048")
    return path


def authority(
    folder: Path,
    *,
    alternatives: Sequence[str] = (),
    key: Callable[[Path], Path] = private_key,
) -> KeyPair:
    """Makes ca.crt and ca.key in `folder`; `alternatives` are names of its own, "DNS:…"."""
    pair = KeyPair(folder / "ca.crt", key(folder / "ca.key"))
    run(
        "openssl",
        *("req", "-x509", "-new", "-key", pair.key, "-out", pair.certificate),
        *("-days", DAYS, "-subj", "/CN=lathe-local-ca"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *(("-addext", f"subjectAltName={','.join(alternatives)}") if alternatives else ()),
    )
    return pair


def issue(ca: KeyPair, name: str, subject: str, *, alternatives: Sequence[str] = ()) -> KeyPair:
    """Makes <name>.crt and <name>.key beside the CA's.

    `subject` is openssl's form, "/O=group/CN=user"; `alternatives` are "DNS:…" and "IP:…".
    Good for servers and clients alike.
    """
    folder = ca.certificate.parent
    pair = KeyPair(folder / f"{name}.crt", private_key(folder / f"{name}.key"))
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    # Key identifiers: Python's clients, from 3.13 on, refuse a certificate without them.
    lines = [
        "basicConstraints=CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
    ]
    if alternatives:
        lines.append(f"subjectAltName={','.join(alternatives)}")
    extensions.write_text("\n".join(lines), "utf-8")
    run("openssl", "req", "-new", "-key", pair.key, "-subj", subject, "-out", request)
    run(
        "openssl",
        *("x509", "-req", "-in", request, "-CA", ca.certificate, "-CAkey", ca.key),
        *("-CAcreateserial", "-days", DAYS, "-extfile", extensions, "-out", pair.certificate),
    )
    request.unlink()
    extensions.unlink()
    return pair
