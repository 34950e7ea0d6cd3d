"""What decides whether something is built again: versions, flags and contents."""

from pathlib import Path

import pytest

from e2e.localcluster.binaries import (
    CLUSTER_PROGRAMS,
    ETCD,
    GOMOD,
    HELM,
    KUBECONFORM,
    KUBERNETES,
    BuildError,
    Source,
    folder_name,
    linker_flags,
    module_version,
)
from e2e.localcluster.contents import content_tag

GO_MOD = "module x\n\nrequire k8s.io/kubernetes v1.34.4\n"
IN_A_BLOCK = (
    "module x\n\nrequire (\n\tk8s.io/kubelet v0.34.4\n\tk8s.io/kubernetes v1.34.5 // why\n)\n"
)


@pytest.mark.parametrize(
    ("expected", "go_mod"),
    [
        pytest.param("v1.34.4", GO_MOD, id="a requirement on a line of its own"),
        pytest.param("v1.34.5", IN_A_BLOCK, id="a requirement in a block, among others"),
    ],
)
def test_the_version_is_what_go_mod_requires(expected: str, go_mod: str) -> None:
    assert module_version(go_mod, "k8s.io/kubernetes") == expected


def test_a_go_mod_that_does_not_require_the_module_is_refused() -> None:
    with pytest.raises(BuildError):
        module_version("module x\n", "k8s.io/kubernetes")


def test_every_staging_module_is_replaced_by_the_release_that_goes_with_kubernetes() -> None:
    go_mod, _ = KUBERNETES.read()
    staged = module_version(go_mod, KUBERNETES.module).replace("v1.", "v0.", 1)
    replaced = [line.split() for line in go_mod.splitlines() if "=> k8s.io/" in line]

    assert len(replaced) > 20
    assert {(name, version) for name, _, _, version in replaced} == {
        (target, staged) for _, _, target, _ in replaced
    }


def test_programs_are_stripped_and_say_which_version_they_are() -> None:
    flags = linker_flags(["k8s.io/component-base/version.git"], "v1.34.4")

    assert flags.startswith("-s -w ")
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=34" in flags


def test_a_build_is_named_by_its_version_and_by_all_that_decides_it() -> None:
    name = folder_name(KUBERNETES, GO_MOD, "sums", "Linux-x86_64")

    assert name.startswith("kubernetes-v1.34.4-")
    assert name == folder_name(KUBERNETES, GO_MOD, "sums", "Linux-x86_64")
    assert name != folder_name(KUBERNETES, GO_MOD, "other sums", "Linux-x86_64")
    assert name != folder_name(KUBERNETES, GO_MOD, "sums", "Linux-aarch64")


@pytest.mark.parametrize(
    "source", [KUBERNETES, ETCD, HELM, KUBECONFORM], ids=lambda source: source.folder
)
def test_the_sums_of_what_is_built_are_checked_in(source: Source) -> None:
    go_mod, go_sum = source.read()

    assert f"{source.module} {module_version(go_mod, source.module)} h1:" in go_sum
    assert (GOMOD / source.folder).is_dir()


def test_a_cluster_needs_none_of_the_programs_that_only_tests_need() -> None:
    assert {"etcd", "kubelet", "kubectl"} <= set(CLUSTER_PROGRAMS)
    assert {"helm", "kubeconform"}.isdisjoint(CLUSTER_PROGRAMS)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


SOURCES = {"code/a.py": "a", "code/b/c.py": "c"}


@pytest.mark.parametrize(
    ("same", "files"),
    [
        pytest.param(True, SOURCES, id="the same files elsewhere"),
        pytest.param(
            True, {**SOURCES, "code/__pycache__/a.pyc": "x"}, id="bytecode beside the sources"
        ),
        pytest.param(True, {**SOURCES, "tests/a.py": "a"}, id="a file that is not asked about"),
        pytest.param(False, {**SOURCES, "code/a.py": "A"}, id="another text in a file"),
        pytest.param(False, {**SOURCES, "code/d.py": ""}, id="one more file, though empty"),
        pytest.param(False, {"code/a.py": "a", "code/c.py": "c"}, id="a file that moved"),
    ],
)
def test_a_tag_changes_with_the_contents_and_with_nothing_else(
    tmp_path: Path, files: dict[str, str], *, same: bool
) -> None:
    before = tree(tmp_path / "before", SOURCES)
    after = tree(tmp_path / "after", files)

    tags = {content_tag([root / "code"], root) for root in (before, after)}

    assert (len(tags) == 1) is same


def test_a_tag_changes_with_what_else_decides_the_build(tmp_path: Path) -> None:
    root = tree(tmp_path, SOURCES)

    plain, with_base = (content_tag([root], root, also=also) for also in ([], ["BASE_IMAGE=x"]))

    assert plain != with_base
    assert content_tag([root / "missing"], root) == content_tag([], root)
