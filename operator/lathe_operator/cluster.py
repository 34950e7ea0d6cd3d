"""The cluster, as the operator needs it: a port, and the only door to the Kubernetes client."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from kubernetes.aio import client, config

from lathe_api.v1alpha1.kinds import CLUSTER_PROFILE, PROFILE, SERVED
from lathe_api.v1alpha1.resource import GROUP, PLURAL, VERSION
from lathe_operator.errors import Failure, Faulted, Gone, Rejected, Waiting
from lathe_operator.lease import Lease, lease_of, manifest_of
from lathe_operator.metrics.requests import Request
from lathe_operator.values import MANAGED, OPERATOR, Manifest, Ref, Version, version_of

Document = dict[str, Any]

SOON = timedelta(seconds=2)
"""How long the server takes to finish what it has begun, such as a deletion."""


class Cluster(Protocol):
    """Everything that the operator asks of a cluster.

    Every method raises a `Failure` when it could not do what it says: `Rejected`, `Gone`, `Waiting`
    or `Faulted`. After `Faulted`, it may have been done all the same.
    """

    async def create_job(self, namespace: str, manifest: Manifest, *, owner: str) -> Version:
        """Create a Job, unless there is one of that name that the resource `owner` controls.

        Raises:
            Rejected: When the server refuses it, or the name is somebody else's (`conflict`).
            Waiting: When a Job of that name is being deleted.
        """

    async def patch_job(self, job: Ref, uid: str, spec: Manifest) -> Version:
        """Change fields of the spec of the Job of that uid."""

    async def delete_job(self, job: Ref, uid: str, *, last: bool = False) -> None:
        """Delete the Job of that uid, and its pods; one that is not there is as good.

        With `last`, the Job itself is there until its pods are gone.
        """

    async def has_job(self, job: Ref) -> bool:
        """Whether the server knows a Job of that name."""

    async def uids(self, namespace: str | None) -> frozenset[str]:
        """The uids of resources, their profiles, and Jobs and pods of ours.

        Those of a namespace, or of all.
        """

    async def shared_uids(self) -> frozenset[str]:
        """The uids of the profiles that all namespaces share."""

    async def try_pod(self, namespace: str, manifest: Manifest) -> None:
        """Ask whether the server would take a pod; nothing is created.

        Raises:
            Rejected: With the words of who would refuse it.
        """

    async def patch_status(self, ref: Ref, seen: Version, fields: Manifest) -> Version:
        """Change fields of a resource's status, if it is still the one that was seen.

        Raises:
            Waiting: When it has changed since, or is another of the same name.
        """

    async def post_event(self, namespace: str, manifest: Manifest) -> None:
        """Create an Event; one of that name that is there already is as good."""

    async def set_finalizers(self, ref: Ref, seen: Version, finalizers: Sequence[str]) -> Version:
        """Change what keeps a deleted resource, if it is still the one that was seen.

        Raises:
            Waiting: When it has changed since, or is another of the same name.
        """

    async def delete_resource(self, ref: Ref, uid: str) -> None:
        """Delete the resource of that uid; one that is not there is as good."""

    async def get_lease(self, ref: Ref) -> Lease | None:
        """Who leads; None while there is no such Lease."""

    async def put_lease(self, ref: Ref, lease: Lease) -> Lease | None:
        """Write a Lease that nobody has written since it was read; None when somebody has."""


class KubernetesCluster:
    """A real cluster, by the official client without its models: they cost time and memory."""

    def __init__(
        self, api: client.ApiClient, *, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        """Speak through `api`; write nothing but Leases while `may_write` says no."""
        self._api = api
        self._may_write = may_write

    @classmethod
    @asynccontextmanager
    async def connected(cls, kubeconfig: Path | None = None) -> AsyncIterator["KubernetesCluster"]:
        """Connect with a kubeconfig, or as the pod that this is, or as kubectl would."""
        # The environment's proxies and ~/.netrc are not for the API server, nor does kopf ask them;
        # the client would look for them on a thread, twice for each request.
        configuration = client.Configuration(client_session_kwargs={"trust_env": False})
        await _configure(configuration, kubeconfig)
        async with client.ApiClient(configuration) as api:
            api.user_agent = OPERATOR
            yield cls(api)

    def guarded(self, may_write: Callable[[], bool]) -> "KubernetesCluster":
        """The same connection, that writes nothing while `may_write` says no."""
        return KubernetesCluster(self._api, may_write=may_write)

    async def serves_the_resource(self) -> bool:
        """Whether every CustomResourceDefinition is installed."""
        try:
            found = await self._request("GET", f"/apis/{GROUP}/{VERSION}", accept=WHOLE)
        except Gone:
            return False
        served = {each["name"] for each in found["resources"]}
        return all(kind.plural in served for kind in SERVED)

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> Document:
        """What the server says of something that is not ours."""
        return await self._request("GET", path, query=query, accept=WHOLE)

    async def create_job(self, namespace: str, manifest: Manifest, *, owner: str) -> Version:
        """See `Cluster`."""
        path = _jobs(namespace)
        query = {"fieldManager": OPERATOR, "fieldValidation": "Strict"}
        try:
            made = await self._write("POST", path, manifest, query=query)
        except Rejected as rejected:
            if not rejected.conflict:
                raise
            made = await self._taken(f"{path}/{manifest['metadata']['name']}", rejected)
            _check_owner(made, owner)
        return Version(made["metadata"]["uid"], version_of(made))

    async def _taken(self, path: str, rejected: Rejected) -> Document:
        """Who has the name; where nobody has, it was a conflict about a quota, say, and passes."""
        try:
            return await self._request("GET", path)
        except Gone:
            raise Waiting(rejected.message, after=SOON) from None

    async def patch_job(self, job: Ref, uid: str, spec: Manifest) -> Version:
        """See `Cluster`."""
        body = {"metadata": {"uid": uid}, "spec": spec}
        return await self._patch(f"{_jobs(job.namespace)}/{job.name}", uid, body)

    async def delete_job(self, job: Ref, uid: str, *, last: bool = False) -> None:
        """See `Cluster`."""
        policy = "Foreground" if last else "Background"
        await self._delete(f"{_jobs(job.namespace)}/{job.name}", uid, policy)

    async def has_job(self, job: Ref) -> bool:
        """See `Cluster`."""
        try:
            await self._request("GET", f"{_jobs(job.namespace)}/{job.name}")
        except Gone:
            return False
        return True

    async def uids(self, namespace: str | None) -> frozenset[str]:
        """See `Cluster`."""
        within = f"/namespaces/{namespace}" if namespace else ""
        ours = f"{MANAGED}=true"
        return (
            await self._uids(f"/apis/{GROUP}/{VERSION}{within}/{PLURAL}")
            | await self._uids(f"/apis/{GROUP}/{VERSION}{within}/{PROFILE.plural}")
            | await self._uids(f"/apis/batch/v1{within}/jobs", ours)
            | await self._uids(f"/api/v1{within}/pods", ours)
        )

    async def shared_uids(self) -> frozenset[str]:
        """See `Cluster`."""
        return await self._uids(f"/apis/{GROUP}/{VERSION}/{CLUSTER_PROFILE.plural}")

    async def _uids(self, path: str, selector: str = "") -> frozenset[str]:
        """The uids of a list, page by page and without what else there is to know."""
        query = {"limit": "500", "labelSelector": selector, "continue": ""}
        uids: set[str] = set()
        while True:
            page = await self._request("GET", path, query=query, accept=METADATA_OF_ALL)
            uids.update(item["metadata"]["uid"] for item in page["items"] or ())
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                return frozenset(uids)

    async def try_pod(self, namespace: str, manifest: Manifest) -> None:
        """See `Cluster`."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        await self._write("POST", path, manifest, query={"dryRun": "All"})

    async def patch_status(self, ref: Ref, seen: Version, fields: Manifest) -> Version:
        """See `Cluster`."""
        body = {"metadata": {"resourceVersion": str(seen.version)}, "status": fields}
        return await self._patch(f"{_resource(ref)}/status", seen.uid, body)

    async def post_event(self, namespace: str, manifest: Manifest) -> None:
        """See `Cluster`."""
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        try:
            await self._write("POST", path, manifest)
        except Rejected as rejected:
            if not rejected.conflict:
                raise

    async def set_finalizers(self, ref: Ref, seen: Version, finalizers: Sequence[str]) -> Version:
        """See `Cluster`."""
        metadata = {"resourceVersion": str(seen.version), "finalizers": list(finalizers)}
        return await self._patch(_resource(ref), seen.uid, {"metadata": metadata})

    async def delete_resource(self, ref: Ref, uid: str) -> None:
        """See `Cluster`."""
        await self._delete(_resource(ref), uid)

    async def get_lease(self, ref: Ref) -> Lease | None:
        """See `Cluster`."""
        try:
            return lease_of(await self._request("GET", f"{_leases(ref)}/{ref.name}", accept=WHOLE))
        except Gone:
            return None

    async def put_lease(self, ref: Ref, lease: Lease) -> Lease | None:
        """See `Cluster`."""
        body = manifest_of(ref, lease)
        create = lease.version is None
        method, path = ("POST", _leases(ref)) if create else ("PUT", f"{_leases(ref)}/{ref.name}")
        try:
            return lease_of(await self._request(method, path, body, accept=WHOLE))
        except Rejected as rejected:
            if rejected.conflict:
                return None
            raise

    async def _patch(self, path: str, uid: str, body: Manifest) -> Version:
        """Patch an object that is still what it was; the watch shows soon what it is now."""
        query = {"fieldManager": OPERATOR}
        try:
            made = await self._write("PATCH", path, body, query=query)
        except Rejected as rejected:
            if not rejected.conflict:
                raise
            raise Waiting(rejected.message, after=SOON) from None
        return Version(uid, version_of(made))

    async def _delete(self, path: str, uid: str, policy: str = "Background") -> None:
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": policy,
            "preconditions": {"uid": uid},
        }
        try:
            await self._write("DELETE", path, body)
        except Gone:
            return
        except Rejected as rejected:
            if not rejected.conflict:  # a conflict: the namesake of what was to be deleted
                raise

    async def _write(
        self, method: str, path: str, body: Manifest, *, query: Mapping[str, str] | None = None
    ) -> Document:
        if not self._may_write():
            raise Faulted("this process does not lead any more: nothing is written")
        return await self._request(method, path, body, query=query)

    async def _request(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        query: Mapping[str, str] | None = None,
        accept: str | None = None,
    ) -> Document:
        """Ask the server, and get its answer: of an object only the metadata, unless asked."""
        content = MERGE_PATCH if method == "PATCH" else WHOLE
        headers = {"Accept": accept or METADATA, "Content-Type": content}
        serialized = await self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            with Request(method, path) as request:
                answer = await self._api.call_api(*serialized, _request_timeout=TIMEOUT)
                request.code = answer.status
                data: bytes = await answer.read()  # type: ignore[no-untyped-call] # the client's
        except (aiohttp.ClientError, OSError, TimeoutError) as broken:
            raise Faulted(f"{method} {path}: {broken!r}") from broken
        document = _document(data)
        if answer.status >= ERROR:
            raise failure_of(answer.status, document, answer.headers.get("Retry-After"))
        return document


WHOLE = "application/json"
METADATA = f"{WHOLE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{WHOLE}"
METADATA_OF_ALL = f"{WHOLE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{WHOLE}"
MERGE_PATCH = "application/merge-patch+json"
TIMEOUT = 30.0
"""Seconds after which a request counts as lost."""
ERROR = 400
CONFLICT = 409
TERMINATING = "NamespaceTerminating"
"""The cause that a server names when it creates nothing because the namespace is going."""
NOT_AN_ANSWER = frozenset({401, 408, 429, *range(500, 600)})
"""Codes that say nothing about the request itself; an expired token is renewed by and by."""


def failure_of(code: int, document: Document, retry_after: str | None) -> Failure:
    """The failure that an answer means."""
    message = str(document.get("message") or f"the server answered {code}")
    seconds = retry_after or (document.get("details") or {}).get("retryAfterSeconds")
    if code in NOT_AN_ANSWER:
        if seconds and str(seconds).isdecimal():
            return Waiting(message, after=timedelta(seconds=int(seconds)))
        return Faulted(message)
    if code == 404:  # noqa: PLR2004 - Not Found
        return Gone(message)
    causes = (document.get("details") or {}).get("causes") or ()
    terminating = any(each.get("reason") == TERMINATING for each in causes)
    return Rejected(message, conflict=code == CONFLICT, terminating=terminating)


def _document(data: bytes) -> Document:
    try:
        document = json.loads(data or b"{}")
    except ValueError:
        document = {"message": data[:200].decode(errors="replace")}
    return document if isinstance(document, dict) else {}


def _check_owner(made: Document, owner: str) -> None:
    metadata = made["metadata"]
    owners = [ref["uid"] for ref in metadata.get("ownerReferences") or () if ref.get("controller")]
    if owner not in owners:
        message = f"the name {metadata['name']} is taken by a Job of somebody else: delete that Job"
        raise Rejected(message, conflict=True)
    if "deletionTimestamp" in metadata:
        raise Waiting(f"the Job {metadata['name']} is still being deleted", after=SOON)


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def _resource(ref: Ref) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{ref.namespace}/{PLURAL}/{ref.name}"


def _leases(ref: Ref) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{ref.namespace}/leases"


async def _configure(configuration: client.Configuration, kubeconfig: Path | None) -> None:
    """As the pod that this is, unless told otherwise; else as kubectl would."""
    load_pod: Callable[..., None] = config.load_incluster_config
    load_file: Callable[..., Awaitable[None]] = config.load_kube_config
    if kubeconfig is None:
        try:
            return load_pod(client_configuration=configuration)
        except config.ConfigException:
            return await load_file(client_configuration=configuration)
    return await load_file(str(kubeconfig), client_configuration=configuration)
