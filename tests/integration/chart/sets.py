"""Values that platform teams set together."""

from collections.abc import Mapping

from e2e.helm import Document, Values

ALONE: Document = {"enabled": False}

NAMESPACE: Document = {
    "scope": "namespace",
    "namespaces": ["team-a", "team-b"],
    "worker": {"serviceAccount": {"enabled": True}},
}
UNPRIVILEGED: Document = {
    **NAMESPACE,
    "crds": ALONE,
    "progressPolicy": ALONE,
    "userRoles": ALONE,
}
EVERYTHING: Document = {
    "fullnameOverride": "optimizer",
    "namespaces": ["team-a"],
    "operator": {
        "image": {
            "repository": "registry.corp/lathe-operator",
            "digest": f"sha256:{'0' * 64}",
            "pullPolicy": "Always",
        },
        "imagePullSecrets": [{"name": "registry"}],
        "replicas": 2,
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {
                                "matchLabels": {"app.kubernetes.io/name": "lathe-operator"}
                            },
                        },
                    }
                ]
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "lathe-operator"}},
            }
        ],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"corp.example/cost": "42"},
        "port": 9090,
    },
    "priorityClass": {"create": True},
    "worker": {
        "image": {"repository": "registry.corp/lathe-worker", "tag": "2"},
        "allowedImages": ["registry.corp/*", "registry.other/lathe-worker:*"],
        "serviceAccount": {"enabled": True},
    },
    "networkPolicy": {
        "metricsFrom": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ]
    },
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    },
}

SETS: dict[str, Document] = {
    "nothing is set": {},
    "namespaces are served by Roles": NAMESPACE,
    "an installer without any right in the cluster": UNPRIVILEGED,
    "everything at once": EVERYTHING,
}


def merged(first: Values, second: Values) -> Document:
    """Values over values, as helm lays them."""
    out = dict(first)
    for key, value in second.items():
        before = out.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        out[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return out


def at(path: str, value: object) -> Document:
    """Values with one of them set, by its dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[return-value]
