"""The cluster's own network: a namespace that a veth pair joins to this machine, nothing else.

It has no default route, so a wrong address cannot send anything off the machine.
"""

from pathlib import Path

from e2e.localcluster import leftovers
from e2e.localcluster.processes import run

NAMESPACE = "lathe"
HOST_LINK = "lathe-host"
NODE_LINK = "lathe-node"
HOST_ADDRESS = "10.88.0.1"
NODE_ADDRESS = "10.88.0.2"
POD_ADDRESSES = "10.88.1.0/24"
_NAMESPACES = Path("/run/netns")


def exists() -> bool:
    """Whether the namespace is there."""
    return (_NAMESPACES / NAMESPACE).exists()


def create() -> None:
    """Makes the namespace and the pair, both ends up; leaves them alone when they are there."""
    if exists():
        return
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", NODE_LINK)
    run("ip", "link", "set", NODE_LINK, "netns", NAMESPACE)
    run("ip", "address", "add", f"{HOST_ADDRESS}/30", "dev", HOST_LINK)
    run("ip", "link", "set", HOST_LINK, "up")
    inside = ("ip", "-n", NAMESPACE)
    run(*inside, "address", "add", f"{NODE_ADDRESS}/30", "dev", NODE_LINK)
    run(*inside, "link", "set", NODE_LINK, "up")
    run(*inside, "link", "set", "lo", "up")
    forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
    run("nsenter", f"--net=/run/netns/{NAMESPACE}", "sh", "-c", forward)


def delete() -> None:
    """Takes the pair away, by the end that is here, and then the namespace."""
    if Path("/sys/class/net", HOST_LINK).exists():
        run("ip", "link", "delete", HOST_LINK)
    if exists():
        run("ip", "netns", "delete", NAMESPACE)
    # `ip netns add` mounts the folder on itself when it is the first to need it.
    if _NAMESPACES.exists() and not any(_NAMESPACES.iterdir()):
        leftovers.unmount_below(_NAMESPACES)
