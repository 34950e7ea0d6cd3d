"""What each command asks of kubectl, what it prints, and the code that it ends with."""

import json
from pathlib import Path

import pytest
import yaml

from lathe_kubectl import commands
from lathe_kubectl.completion import complete, flags_among
from lathe_kubectl.kubectl import Kubectl, KubectlFailed
from lathe_kubectl.refusal import Refusal
from lathe_operator.decide.names import RESTART
from lathe_steps.errors import Stopped
from tests.builders import EXPORT, PRUNE, a_resource
from tests.typed import Recorded, Terminal, digits

STEERED = {
    "cancel": {"cancel": True},
    "suspend": {"suspend": True},
    "resume": {"suspend": False},
}


@pytest.mark.parametrize(("word", "run"), STEERED.items(), ids=STEERED)
def test_a_run_is_steered_by_its_spec(word: str, run: dict[str, bool]) -> None:
    terminal = Terminal(digits())

    assert terminal.type(word, "digits") == commands.OK

    ((verb, _, name, kind, _, patch),) = terminal.kubectl.told
    assert (verb, name, kind) == ("patch", "digits", "--type=merge")
    assert json.loads(patch) == {"spec": {"run": run}}


@pytest.mark.parametrize("word", STEERED)
def test_a_run_that_has_ended_is_not_steered(word: str) -> None:
    terminal = Terminal(digits(phase="Succeeded"))

    with pytest.raises(Refusal, match="kubectl lathe retry digits"):
        terminal.type(word, "digits")
    assert terminal.kubectl.told == []


def test_a_retry_is_an_annotation() -> None:
    terminal = Terminal(digits())

    terminal.type("retry", "digits")

    ((verb, *_, annotation),) = terminal.kubectl.told
    assert verb == "annotate"
    assert annotation.startswith(f"{RESTART}=20")


def test_a_resource_that_is_not_there_is_told_of_in_kubectls_words() -> None:
    with pytest.raises(KubectlFailed, match="NotFound"):
        Terminal().type("status", "digits")


def test_a_list_shows_those_of_a_phase() -> None:
    terminal = Terminal(digits("one", phase="Failed"), digits("two", phase="Running"))

    terminal.type("list", "--phase", "Failed")

    assert [line.split()[0] for line in terminal.out] == ["NAME", "one"]


def test_an_empty_list_says_so_beside_the_answer() -> None:
    terminal = Terminal()

    assert terminal.type("list") == commands.OK
    assert (terminal.out, len(terminal.notes)) == ([], 1)


@pytest.mark.parametrize("words", [("list",), ("status", "digits"), ("diff", "digits", "digits")])
def test_machines_get_one_document(words: tuple[str, ...]) -> None:
    terminal = Terminal(digits())

    assert terminal.type(*words, "-o", "json") == commands.OK
    assert json.loads("\n".join(terminal.out))


def test_a_diff_ends_with_one_where_not_the_same_was_asked_for() -> None:
    other = digits("other")
    other["spec"] = a_resource().steps(PRUNE).spec
    terminal = Terminal(digits(), other)

    assert terminal.type("diff", "digits", "digits") == commands.OK
    assert terminal.type("diff", "digits", "other") == commands.DIFFERENT
    assert any(line.startswith("steps") for line in terminal.out)


def test_a_diff_of_a_resource_that_this_version_cannot_read_compares_its_fields() -> None:
    newer, same = digits("newer"), digits("same")
    newer["spec"] = {**newer["spec"], "ofANewerVersion": {"speed": 11}}
    terminal = Terminal(newer, same)

    assert terminal.type("diff", "newer", "newer") == commands.OK
    assert terminal.type("diff", "newer", "same") == commands.DIFFERENT


def test_a_manifest_is_compared_by_its_file(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.json" for number in range(2)]
    for seed, file in enumerate(files):
        manifest = {"plan": {"seed": seed}, "environment": {"cpu": "x"}, "metrics": []}
        file.write_text(json.dumps(manifest))
    terminal = Terminal()

    assert terminal.type("diff", str(files[0]), str(files[0])) == commands.OK
    assert terminal.type("diff", str(files[0]), str(files[1])) == commands.DIFFERENT
    with pytest.raises(Refusal, match="no manifest"):
        terminal.type("diff", str(files[0]), str(tmp_path / "none.json"))


def test_a_run_that_is_not_known_is_refused_with_those_that_are() -> None:
    known = digits(run={"key": "5f3a9c1e" * 8}, manifestURI="s3://artifacts/manifest.json")

    with pytest.raises(Refusal, match="5f3a9c1e5f3a9c1e"):
        Terminal(known).type("diff", "digits@00", "digits")


def test_a_report_is_named_where_it_is() -> None:
    terminal = Terminal(digits(reportURI="s3://artifacts/report.html"))

    terminal.type("report", "digits")

    assert terminal.out == ["s3://artifacts/report.html"]


def test_a_report_that_is_not_there_yet_is_refused() -> None:
    with pytest.raises(Refusal, match="Running"):
        Terminal(digits(phase="Running")).type("report", "digits")


def test_a_report_cannot_be_had_without_credentials(tmp_path: Path) -> None:
    resource = digits(reportURI="s3://artifacts/report.html")
    resource["spec"]["storage"] = {"s3": {"endpoint": "http://127.0.0.1:9"}}
    terminal = Terminal(resource, environment={"AWS_EC2_METADATA_DISABLED": "true"})

    with pytest.raises(Stopped):
        terminal.type("report", "digits", "--to", str(tmp_path / "report.html"))


def test_a_plan_is_shown_without_asking_any_cluster(tmp_path: Path) -> None:
    file = tmp_path / "digits.yaml"
    file.write_text(yaml.safe_dump(a_resource().steps(PRUNE).document()))
    terminal = Terminal()

    assert terminal.type("plan", str(file)) == commands.OK
    assert "prune" in "\n".join(terminal.out)
    assert terminal.kubectl.told == []


def test_a_file_that_cannot_be_run_is_refused_with_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "digits.yaml"
    file.write_text(yaml.safe_dump(a_resource().steps(EXPORT, PRUNE).document()))
    terminal = Terminal()

    assert terminal.type("plan", str(file)) == commands.REFUSED
    assert "prune" in "\n".join(terminal.notes)


COMPLETED: dict[str, tuple[list[str], list[str]]] = {
    "a command": (["st"], ["status"]),
    "a resource": (["logs", "-f", "di"], ["digits", "digits-small"]),
    "the second resource of a diff": (["diff", "digits", "digits-"], ["digits-small"]),
    "a flag": (["status", "-"], []),
    "nothing that there is": (["logs", "resnet"], []),
}


@pytest.mark.parametrize(("words", "found"), COMPLETED.values(), ids=COMPLETED)
def test_what_may_follow(words: list[str], found: list[str]) -> None:
    kubectl = Recorded(digits(), digits("digits-small"))

    assert complete(words, kubectl)[0] == found


AMONG: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], []),
    "a namespace": (["logs", "-n", "team", "-f"], ["-n", "team"]),
    "a context in one word": (["--context=a", "status"], ["--context=a"]),
    "a flag whose value is still to come": (["status", "-n"], []),
}


@pytest.mark.parametrize(("words", "flags"), AMONG.values(), ids=AMONG)
def test_resources_are_looked_for_where_the_user_says(words: list[str], flags: list[str]) -> None:
    assert flags_among(words) == flags


def test_kubectl_gets_the_users_flags_after_its_verb(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)

    said = Kubectl(["--context=other"], str(program)).say("get", "pods")

    assert said == "get --context=other pods\n"


def test_a_machine_without_kubectl_is_told_so() -> None:
    with pytest.raises(KubectlFailed, match="no such-kubectl on PATH"):
        Kubectl([], "such-kubectl").say("get")
