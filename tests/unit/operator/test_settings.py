"""Settings come from the environment, and from nowhere else."""

import pytest
from pydantic import ValidationError

from lathe_operator.settings import Settings
from lathe_operator.values import Policy, Ref


@pytest.fixture(autouse=True)
def image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATHE_WORKER_IMAGE", "worker:1")


def test_an_image_is_all_that_has_to_be_set() -> None:
    settings = Settings()

    assert settings.policy == Policy("worker:1")
    assert settings.namespaces == ()
    assert settings.lease == Ref("lathe-system", "lathe-operator")


def test_without_an_image_there_is_no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATHE_WORKER_IMAGE")

    with pytest.raises(ValidationError):
        Settings()


def test_lists_are_words_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATHE_NAMESPACES", "team-a, team-b,")
    monkeypatch.setenv("LATHE_ALLOWED_IMAGES", "registry.corp/*")

    settings = Settings()

    assert settings.namespaces == ("team-a", "team-b")
    assert settings.policy.allowed_images == ("registry.corp/*",)


def test_what_the_administrator_allows_reaches_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATHE_ALLOW_STATE_DICT", "true")
    monkeypatch.setenv("LATHE_WORKER_SERVICE_ACCOUNT", "lathe-worker")

    policy = Settings().policy

    assert policy.allow_state_dict
    assert policy.worker_service_account == "lathe-worker"
