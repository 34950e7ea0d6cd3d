"""How S3 is reached: the resource first, then the Secret in AWS' or KServe's words."""

from pathlib import Path

import pytest

from lathe_api.v1alpha1.storage import S3
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_worker.s3.settings import Ambient, Anonymous, Keys, s3_settings

AWS_KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
FROM_SECRET = {f"LATHE_S3_{name}": value for name, value in AWS_KEYS.items()}


def s3(**fields: object) -> S3:
    return S3.model_validate(fields)


SECRET_REF = s3(credentials={"secretRef": {"name": "s3-creds"}})


@pytest.mark.parametrize(
    ("want", "block", "environment"),
    [
        pytest.param(Keys("id", "secret"), SECRET_REF, FROM_SECRET, id="AWS' names in a Secret"),
        pytest.param(
            Keys("id", "secret", "token"),
            SECRET_REF,
            {**FROM_SECRET, "LATHE_S3_AWS_SESSION_TOKEN": "token"},
            id="a session token",
        ),
        pytest.param(
            Keys("id", "secret"),
            SECRET_REF,
            {"LATHE_S3_awsAccessKeyID": "id", "LATHE_S3_awsSecretAccessKey": "secret"},
            id="KServe's names in a Secret",
        ),
        pytest.param(
            Keys("id", "secret"),
            SECRET_REF,
            {**FROM_SECRET, "AWS_ACCESS_KEY_ID": "another", "AWS_SECRET_ACCESS_KEY": "other"},
            id="the Secret before what else is there",
        ),
        pytest.param(
            Keys("id", "secret"), SECRET_REF, AWS_KEYS, id="a laptop's variables for the Secret"
        ),
        pytest.param(Ambient(), SECRET_REF, {}, id="a laptop's profile for the Secret"),
        pytest.param(Keys("id", "secret"), s3(), AWS_KEYS, id="nothing said, variables there"),
        pytest.param(Ambient(), s3(), {}, id="nothing said, nothing there"),
        pytest.param(
            Ambient(node=True),
            s3(credentials={"serviceAccount": {}}),
            AWS_KEYS,
            id="the ServiceAccount, and the node behind it",
        ),
        pytest.param(
            Anonymous(), s3(credentials={"anonymous": {}}), AWS_KEYS, id="nobody, if asked for"
        ),
        pytest.param(
            Anonymous(),
            SECRET_REF,
            {"LATHE_S3_awsAnonymousCredential": "true"},
            id="nobody, in KServe's words",
        ),
    ],
)
def test_who_asks(want: Keys | Ambient | Anonymous, block: S3, environment: dict[str, str]) -> None:
    assert s3_settings(block, environment).credentials == want


@pytest.mark.parametrize(
    ("want", "block", "environment"),
    [
        pytest.param(None, s3(), {}, id="AWS"),
        pytest.param(
            "http://here:1",
            s3(endpoint="http://here:1/"),
            {"AWS_ENDPOINT_URL": "http://there:2"},
            id="the resource first",
        ),
        pytest.param(
            "https://there:2", s3(), {"AWS_ENDPOINT_URL": "https://there:2"}, id="AWS' variable"
        ),
        pytest.param(
            "https://there",
            s3(),
            {**FROM_SECRET, "LATHE_S3_S3_ENDPOINT": "there"},
            id="KServe's host in a Secret",
        ),
        pytest.param(
            "http://minio:9000",
            s3(),
            {
                **FROM_SECRET,
                "LATHE_S3_S3_ENDPOINT": "minio:9000",
                "LATHE_S3_S3_USE_HTTPS": "0",
                "LATHE_S3_S3_VERIFY_SSL": "0",
            },
            id="KServe's host without TLS",
        ),
        pytest.param(
            None,
            s3(),
            {**FROM_SECRET, "AWS_ENDPOINT_URL": "http://pod"},
            id="with a Secret, only the Secret counts",
        ),
    ],
)
def test_where_it_is(want: str | None, block: S3, environment: dict[str, str]) -> None:
    assert s3_settings(block, environment).endpoint == want


@pytest.mark.parametrize(
    ("want", "block", "environment"),
    [
        pytest.param("us-east-1", s3(), {}, id="by default"),
        pytest.param("eu-west-1", s3(region="eu-west-1"), {"AWS_REGION": "x"}, id="as it says"),
        pytest.param("a", s3(), {"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}, id="AWS' variable"),
        pytest.param("b", s3(), {**FROM_SECRET, "AWS_REGION": "b"}, id="the pod's own"),
    ],
)
def test_in_which_region(want: str, block: S3, environment: dict[str, str]) -> None:
    assert s3_settings(block, environment).region == want


def test_kserves_virtual_buckets_count_where_the_resource_leaves_it_open() -> None:
    environment = {**FROM_SECRET, "LATHE_S3_S3_USER_VIRTUAL_BUCKET": "true"}

    assert s3_settings(s3(), environment).addressing_style == "Virtual"
    assert s3_settings(s3(addressingStyle="Path"), environment).addressing_style == "Path"


def test_the_authority_is_a_file_that_a_variable_names() -> None:
    block = s3(ca={"configMapRef": {"name": "corp-ca", "key": "ca.crt"}})

    assert s3_settings(block, {"AWS_CA_BUNDLE": "/ca.crt"}).ca_bundle == Path("/ca.crt")
    with pytest.raises(InvalidSpec):
        s3_settings(block, {})


def test_a_secret_without_keys_is_access_denied() -> None:
    with pytest.raises(BadInput) as stopped:
        s3_settings(SECRET_REF, {"LATHE_S3_password": "x", **AWS_KEYS})

    assert stopped.value.reason is Reason.ACCESS_DENIED
    assert "s3-creds" in stopped.value.message


def test_verification_is_not_switched_off() -> None:
    environment = {
        **FROM_SECRET,
        "LATHE_S3_AWS_ENDPOINT_URL": "https://minio",
        "LATHE_S3_S3_VERIFY_SSL": "0",
    }

    with pytest.raises(InvalidSpec) as stopped:
        s3_settings(s3(), environment)

    assert stopped.value.reason is Reason.UNTRUSTED_ENDPOINT


@pytest.mark.parametrize("endpoint", ["minio", "ftp://minio", "http://a b", "http://user@host"])
def test_a_wrong_endpoint_is_an_invalid_spec(endpoint: str) -> None:
    with pytest.raises(InvalidSpec):
        s3_settings(s3(), {"AWS_ENDPOINT_URL": endpoint})


def test_secrets_are_not_shown() -> None:
    settings = s3_settings(SECRET_REF, {**FROM_SECRET, "LATHE_S3_AWS_SESSION_TOKEN": "token"})

    assert "secret'" not in repr(settings)
    assert "token'" not in repr(settings)


@pytest.mark.parametrize(("want", "processors"), [(8, 1), (8, 2), (16, 4), (32, 64)])
def test_connections_follow_the_processors(want: int, processors: int) -> None:
    assert s3_settings(s3(), {}, processors=processors).connections == want
