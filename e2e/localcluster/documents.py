"""The configuration of every program of the node, as data."""

import json
from collections.abc import Mapping
from pathlib import Path

CLUSTER_DNS_ADDRESS = "10.96.0.10"
CNI_NETWORK = "lathe"
CNI_PLUGINS = Path("/usr/lib/cni")
CRI = "io.containerd.grpc.v1.cri"


def toml(document: Mapping[str, object], path: tuple[str, ...] = ()) -> str:
    """A TOML document: strings, numbers, booleans and lists of them, in tables by nesting.

    Those are written the same in TOML and in JSON.
    """
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in document.items() if isinstance(value, Mapping)}
    header = [f"[{'.'.join(json.dumps(part) for part in path)}]"] if path and plain else []
    lines = [*header, *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in plain.items())]
    own = "\n".join(lines) + "\n" if lines else ""
    return own + "".join(toml(table, (*path, key)) for key, table in tables.items())


def containerd(
    *, content: Path, state: Path, socket: Path, cni: Path, pause_image: str, registries: Path
) -> dict[str, object]:
    """Containerd's configuration: all of its folders ours, `registry` by plain http.

    Unpacked images stay in `content`; what belongs to running containers lies in `state`.
    """
    options = {"SystemdCgroup": False, "Root": str(state / "runc")}
    runc = {"runtime_type": "io.containerd.runc.v2", "options": options}
    return {
        "version": 2,
        "root": str(content),
        "state": str(state),
        "grpc": {"address": str(socket)},
        "plugins": {
            CRI: {
                "sandbox_image": pause_image,
                # The process that starts it may not lower the score of what it starts.
                "restrict_oom_score_adj": True,
                # Not /run/netns: what lies under `state` is ours to clean up.
                "netns_mounts_under_state_dir": True,
                "cni": {"bin_dir": str(CNI_PLUGINS), "conf_dir": str(cni)},
                "containerd": {
                    "snapshotter": "overlayfs",
                    # A layer is kept once, unpacked: worker images have gigabytes.
                    "discard_unpacked_layers": True,
                    "runtimes": {"runc": runc},
                },
                "registry": {"config_path": str(registries)},
            },
            "io.containerd.internal.v1.opt": {"path": str(state / "opt")},
        },
    }


def plain_registry(address: str) -> dict[str, object]:
    """Containerd's hosts.toml for a registry by plain http; <registries>/<address>/ holds it."""
    url = f"http://{address}"
    return {"server": url, "host": {url: {"capabilities": ["pull", "resolve"]}}}


def cni(*, pods: str, leases: Path) -> dict[str, object]:
    """A veth pair and a route for each pod, out of the range `pods`; no masquerading."""
    addresses = {
        "type": "host-local",
        "dataDir": str(leases),
        "ranges": [[{"subnet": pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    ptp = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    return {"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [ptp]}


def kubelet(*, address: str, ca: Path, socket: Path, logs: Path) -> dict[str, object]:
    """The kubelet's configuration; pods find no DNS, as nothing in the cluster needs names."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(ca)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [CLUSTER_DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{socket}",
        # How full the machine's disk is says nothing about the cluster: never evict for it, and
        # never collect images, which would take the pause image too.
        "evictionHard": {
            "memory.available": "200Mi",
            **dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"),
        },
        "imageGCHighThresholdPercent": 100,
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "podLogsDir": str(logs),
        "resolvConf": "",
    }


def kube_proxy(*, kubeconfig: Path, address: str, node: str, pods: str) -> dict[str, object]:
    """kube-proxy's configuration: Services by iptables, connection tracking left as it is."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": address,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": pods,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": node,
        "mode": "iptables",
    }


def registry(*, address: str, storage: Path) -> dict[str, object]:
    """docker-registry's configuration."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": address},
    }


def s3_identities(access_key: str, secret_key: str) -> dict[str, object]:
    """SeaweedFS' S3 configuration: one identity that may do everything."""
    keys = {"accessKey": access_key, "secretKey": secret_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "lathe", "credentials": [keys], "actions": actions}]}
