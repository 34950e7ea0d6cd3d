"""Who may speak to a control plane: its certificates, its token users and their kubeconfigs."""

import csv
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from e2e.localcluster import certificates

ADMIN = "admin"
CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
API_SERVICE_ADDRESS = "10.96.0.1"

# Each of them is in system:authenticated too, which is all that alice and bob have.
USERS: Mapping[str, Sequence[str]] = {
    ADMIN: ("system:masters",),
    "alice": (),
    "bob": (),
    CONTROLLER_MANAGER: (),
    SCHEDULER: (),
}


class Identities:
    """The identities kept in one folder, made by the first `write` and the same ever after."""

    def __init__(self, folder: Path, users: Mapping[str, Sequence[str]]) -> None:
        self._folder = folder
        self._users = {**USERS, **users}

    @property
    def certificate_authority(self) -> Path:
        """The PEM file that a client verifies the server with."""
        return self._pki / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        """The private key that signs the tokens of ServiceAccounts."""
        return self._pki / "service-accounts.key"

    @property
    def token_file(self) -> Path:
        """The users in kube-apiserver's form: token,user,uid,"group,…"."""
        return self._folder / "tokens.csv"

    def token(self, user: str) -> str:
        """The bearer token of one of the users; KeyError if there is no such user."""
        return self._tokens()[user]

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one of the users."""
        return self._folder / "kubeconfig" / f"{user.replace(':', '-')}.yaml"

    def apiserver_flags(self) -> list[str]:
        """The flags of kube-apiserver about who it is and whom it believes."""
        return [
            f"--tls-cert-file={self._pki / 'apiserver.crt'}",
            f"--tls-private-key-file={self._pki / 'apiserver.key'}",
            f"--client-ca-file={self.certificate_authority}",
            f"--kubelet-client-certificate={self._pki / 'apiserver-kubelet.crt'}",
            f"--kubelet-client-key={self._pki / 'apiserver-kubelet.key'}",
            f"--token-auth-file={self.token_file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.service_account_key}",
            f"--service-account-signing-key-file={self.service_account_key}",
        ]

    def write(self, address: str, server: str) -> None:
        """Makes what is missing, for a server with the URL `server` that listens on `address`."""
        if not self.token_file.exists():
            self._write_certificates(address)
            self._write_tokens()
        for user, token in self._tokens().items():
            self._write_kubeconfig(user, token, server)

    @property
    def _pki(self) -> Path:
        return self._folder / "pki"

    def _tokens(self) -> dict[str, str]:
        with self.token_file.open(encoding="utf-8", newline="") as rows:
            return {user: token for token, user, *_ in csv.reader(rows)}

    def _write_tokens(self) -> None:
        self.token_file.touch(mode=0o600)
        with self.token_file.open("w", encoding="utf-8", newline="") as rows:
            csv.writer(rows).writerows(
                [secrets.token_hex(16), user, user, ",".join(groups)]
                for user, groups in self._users.items()
            )

    def _write_certificates(self, address: str) -> None:
        self._pki.mkdir(parents=True, mode=0o700, exist_ok=True)
        ca = certificates.authority(self._pki)
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
        addresses = sorted({"127.0.0.1", API_SERVICE_ADDRESS, address})
        certificates.issue(
            ca,
            "apiserver",
            "/CN=kube-apiserver",
            alternatives=[*(f"DNS:{name}" for name in names), *(f"IP:{ip}" for ip in addresses)],
        )
        certificates.issue(ca, "apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet")
        certificates.private_key(self.service_account_key)

    def _write_kubeconfig(self, user: str, token: str, server: str) -> None:
        path = self.kubeconfig(user)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        cluster = {"server": server, "certificate-authority": str(self.certificate_authority)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lathe", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "lathe", "context": {"cluster": "lathe", "user": user}}],
            "current-context": "lathe",
        }
        path.write_text(yaml.safe_dump(document), "utf-8")
