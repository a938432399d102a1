"""`automl-agent config test-model`: the planner, over the wire, and a real small model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import xllamacpp

from automl_agent.agent import load_all_plugins
from automl_agent.cards.documents import check_document
from automl_agent.configuration.endpoint import Protocol
from automl_agent.controllers.conformance.cases import N_CASES, list_cases
from automl_agent.controllers.conformance.conformance import Case, Examiner
from automl_agent.controllers.conformance.verdict import WILL_DO, WILL_NOT_DO

from ..chat_models.model_server import PROTOCOLS, ModelServer, good_reply
from .conftest import Program

Calls = list[tuple[str, dict[str, object]]]


def answer_well(case: Case) -> Iterator[Calls]:
    """The calls of a model that takes the shortest way, reply after reply."""
    (answer,) = case.answers
    if not answer:
        yield [("finish", {"summary": "No table can answer that."})]
        return
    tasks = {f"t{number}": task for number, task in enumerate(answer, 1)}
    yield [("profile_dataset", {"data": t.table, "target": t.target}) for t in tasks.values()]
    experts = {task_id: next(iter(t.experts), "xgboost") for task_id, t in tasks.items()}
    yield [
        ("assign_expert", {"task_id": task_id, "expert": expert, "reason": "It fits."})
        for task_id, expert in experts.items()
    ]
    plans = [e if task_id == "t1" else f"{task_id}-{e}" for task_id, e in experts.items()]
    prepared: Calls = []
    for plan_id in plans:
        plan = {"plan_id": plan_id}
        prepared += [
            ("write_script", plan | {"script": "data_processing.py"}),
            ("write_script", plan | {"script": "model.py"}),
            ("predict_training_log", plan),
        ]
    yield prepared
    yield [("train", {"plan_id": plan_id}) for plan_id in plans]
    yield [("finish", {"summary": "All is planned."})]


def configure(program: Program, protocol: Protocol, url: str) -> None:
    base_url = url if protocol == "messages" else f"{url}/v1"
    fields = {"base_url": base_url, "protocol": protocol, "model": "scripted"}
    for name, value in fields.items():
        assert program("config", "set", f"endpoints.lab.{name}", value).code == 0


def test_the_planner_will_do(program: Program, home: Path) -> None:
    outcome = program("config", "test-model", "planner", "--output-format", "json")
    assert outcome.code == 0
    check_document(outcome.document, "model_test", source="standard output")
    assert outcome.document["verdict"] == WILL_DO
    assert outcome.document["n_requests"] == N_CASES
    assert len(outcome.err.splitlines()) == N_CASES
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_good_model_will_do_over_each_wire(program: Program, protocol: Protocol) -> None:
    cases = list_cases(list(load_all_plugins().experts.values()))
    turns = [calls for case in cases for calls in answer_well(case)]
    with ModelServer([good_reply(protocol, calls=calls) for calls in turns]) as server:
        configure(program, protocol, server.url)
        document = program("config", "test-model", "lab", "--output-format", "json").document
    assert (document["verdict"], document["n_right"]) == (WILL_DO, N_CASES)
    assert (document["n_declined"], document["valid_at_first_try"]) == (5, 1.0)
    assert document["input_tokens"] == 100 * len(turns)
    assert document["cost_usd"] is None
    assert server.script == []


def test_a_model_that_only_talks_will_not_do(program: Program) -> None:
    talk = good_reply("messages", "I would be happy to help you with that!")
    with ModelServer([talk] * 6) as server:
        configure(program, "messages", server.url)
        outcome = program("config", "test-model", "lab", "--requests", 3)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == f"lab:scripted: {WILL_NOT_DO}"
    assert "It called no tool" in outcome.out
    assert "wrong, right with the planner's help" in outcome.err


def test_ctrl_c_shows_what_was_measured(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    examine = Examiner.examine

    def interrupt_third(self: Examiner, case: Case, folder: Path) -> object:
        if case.case_id.startswith("03"):
            raise KeyboardInterrupt
        return examine(self, case, folder)

    monkeypatch.setattr(Examiner, "examine", interrupt_third)
    outcome = program("config", "test-model", "planner", "--output-format", "json")
    assert outcome.code == 130
    assert (outcome.document["n_requests"], outcome.document["stopped"]) == (2, "interrupted")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(["nobody"], 4, "There is no controller 'nobody'", id="unknown"),
        pytest.param(["anthropic:some-model"], 7, "anthropic needs a key", id="no key"),
        pytest.param(["planner", "--budget-usd", "0"], 3, "buys nothing", id="no money"),
    ],
)
def test_what_cannot_be_tested_is_told_in_one_sentence(
    program: Program, arguments: list[str], code: int, text: str
) -> None:
    outcome = program("config", "test-model", *arguments)
    assert outcome.code == code
    assert text in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_service_that_refuses_the_first_request_is_told_in_one_sentence(
    program: Program,
) -> None:
    with ModelServer([]) as server:
        configure(program, "messages", server.url)
        outcome = program("config", "test-model", "lab")
    assert outcome.code == 7
    assert "The script is over" in outcome.err
    assert outcome.out == ""


@pytest.mark.slow
def test_a_model_that_cannot_do_it_comes_to_an_end(program: Program, small_model: Path) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.model.path = str(small_model)
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    parameters.sampling.temp = 0.0
    parameters.cpuparams.n_threads = 1  # on a busy machine two wait for each other, for minutes
    server = xllamacpp.Server(parameters)
    configure(program, "chat_completions", server.listening_address)
    for name, value in {"context_tokens": 4096, "max_output_tokens": 400}.items():
        assert program("config", "set", f"endpoints.lab.{name}", value).code == 0
    outcome = program("config", "test-model", "lab", "--requests", 2, "--output-format", "json")
    del server
    assert outcome.code == 1
    check_document(outcome.document, "model_test", source="standard output")
    assert (outcome.document["n_requests"], outcome.document["stopped"]) == (2, "")
    assert outcome.document["verdict"] == WILL_NOT_DO
    assert outcome.document["input_tokens"] > 1000
