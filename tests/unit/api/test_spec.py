"""What may be asked for."""

import pytest
from pydantic import ValidationError

from lathe_api.v1alpha1.resource import ModelOptimization
from tests.builders import PRUNE, ResourceBuilder, a_resource
from tests.refused import REFUSED


@pytest.mark.parametrize("resource", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(resource: ResourceBuilder) -> None:
    with pytest.raises(ValidationError):
        ModelOptimization.model_validate(resource.document())


def test_defaults_make_a_short_resource_a_whole_one() -> None:
    spec = a_resource().steps(PRUNE).parsed()

    assert (spec.run.backoff_limit, spec.run.cache, spec.worker.workspace.size) == (
        3,
        "ReadWrite",
        "20Gi",
    )


def test_a_step_knows_its_kind_as_users_spell_it() -> None:
    spec = a_resource().steps({"convertPrecision": {"dtype": "BF16"}}).parsed()

    assert spec.steps[0].kind == "convertPrecision"


def test_a_spec_says_again_what_was_said() -> None:
    resource = a_resource().steps(PRUNE)

    again = resource.parsed().model_dump(mode="json", exclude_unset=True)

    assert resource.spec == again
