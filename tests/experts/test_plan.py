from dataclasses import replace

import pytest

from automl_agent.cards.data_card import Continuous, DataCard
from automl_agent.cards.documents import check_document
from automl_agent.cards.model_card import ModelCard
from automl_agent.cards.paragraph import (
    Neighbour,
    Paragraph,
    parse_paragraph,
    render_paragraph,
)
from automl_agent.cards.predicted_log import PredictedLog, PredictedPoint
from automl_agent.experts.expert import TemplateExpert
from automl_agent.experts.plan import Plan, Resources

LOG = PredictedLog("model card", "rmse", (PredictedPoint(100, 3.0, 2.0, 4.0),), 12.5, 350)


@pytest.fixture
def plan(card: ModelCard) -> Plan:
    fields = ("name", "description", "input_type", "task", "label_space", "metric")
    return Plan(
        plan_id="trees-v2",
        data_card=DataCard(
            name="prices.csv",
            description="",
            input_type="tabular",
            task="regression",
            label_space=Continuous(),
            metric="rmse",
            provenance=dict.fromkeys(fields, "stated"),
        ),
        model_card=card,
        resources=Resources(cpus=2, memory_mib=8000, gpus=("NVIDIA A5000",)),
        settings={"policy": "depth", "depth": 4, "rate": 0.1},
        scripts={
            "train.py": "",
            "model.py": '"""Grow trees."""\n',
            "data_processing.py": '"""Keep the columns.\n\n    As they are.\n    """\nx = 1\n',
            "predict.py": "",
        },
        generated=frozenset({"model.py"}),
        predicted_log=LOG,
        constraints=("under 1 ms a row",),
        neighbours=(Neighbour("houses.csv", 0.75),),
    )


def test_the_expert_is_the_one_of_the_model_card(plan: Plan) -> None:
    assert plan.expert == "trees"


def test_a_plan_as_json_fits_its_schema(plan: Plan) -> None:
    document = plan.to_json()
    check_document(document, "plan", source="plan")
    assert document == {
        "plan_id": "trees-v2",
        "expert": "trees",
        "data": "prices.csv",
        "metric": "rmse",
        "settings": {"policy": "depth", "depth": 4, "rate": 0.1},
        "scripts": ["data_processing.py", "model.py", "predict.py", "train.py"],
        "generated": ["model.py"],
        "predicted_log": LOG.to_json(),
        "resources": {"cpus": 2, "memory_mib": 8000, "gpus": ["NVIDIA A5000"]},
        "constraints": ["under 1 ms a row"],
    }


def test_a_plan_that_has_only_begun_fits_its_schema_too(plan: Plan) -> None:
    begun = replace(plan, scripts={}, generated=frozenset(), predicted_log=None, settings={})
    document = begun.to_json()
    check_document(document, "plan", source="plan")
    assert (document["scripts"], document["predicted_log"]) == ([], None)


def test_the_paragraph_carries_the_plan(plan: Plan) -> None:
    assert plan.to_paragraph() == Paragraph(
        data_card=plan.data_card,
        model_card=plan.model_card,
        requirements=("numpy>=2", "scikit-learn"),
        constraints=("under 1 ms a row",),
        resources={"cpus": 2, "memory_mib": 8000, "gpus": ["NVIDIA A5000"]},
        data_processing="Keep the columns.\n\nAs they are.",
        model_architecture="Grow trees.",
        settings={"policy": "depth", "depth": 4, "rate": 0.1},
        predicted_log=LOG,
        neighbours=(Neighbour("houses.csv", 0.75),),
    )


def test_the_paragraph_of_a_plan_parses_to_itself(plan: Plan) -> None:
    paragraph = plan.to_paragraph()
    assert parse_paragraph(render_paragraph(paragraph)) == paragraph


@pytest.mark.parametrize(
    "script",
    ["", "x = 1", "# only a remark", "def f(:", "x\x00", "x = '\ud800'", "-" * 100_000 + "1"],
    ids=["empty", "no words", "remark", "syntax", "zero", "surrogate", "deep"],
)
def test_a_script_that_does_not_say_what_it_does_says_nothing(plan: Plan, script: str) -> None:
    paragraph = replace(plan, scripts={"model.py": script}).to_paragraph()
    assert (paragraph.data_processing, paragraph.model_architecture) == ("", "")


def test_words_of_a_script_with_a_strange_escape_are_read(plan: Plan) -> None:
    scripts = {"model.py": '"""Grow trees."""\npattern = "\\d"\n'}
    assert replace(plan, scripts=scripts).to_paragraph().model_architecture == "Grow trees."


def test_an_expert_of_templates_writes_them_for_every_plan(
    plan: Plan, expert: TemplateExpert
) -> None:
    assert expert.write_scripts(plan) == {
        name: f'"""What {name} does, é."""\n\nimport numpy as np\n'
        for name in ("data_processing.py", "model.py", "train.py", "predict.py")
    }
