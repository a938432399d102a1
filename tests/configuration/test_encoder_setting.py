"""The setting that names what compares the texts of data cards."""

from pathlib import Path

import pytest

from automl_agent.configuration.configuration import load_configuration
from automl_agent.configuration.files import user_path
from automl_agent.configuration.user_file import set_value
from automl_agent.errors import InputError


def test_by_default_it_is_the_packaged_one() -> None:
    assert load_configuration().encoder == "all-MiniLM-L6-v2"
    assert load_configuration().values["knowledge.encoder"].origin == "default"


def test_the_person_sets_it_in_her_file_and_the_environment_counts_for_more() -> None:
    set_value("knowledge.encoder", "/models/mine")
    assert load_configuration().encoder == "/models/mine"
    assert '[knowledge]\nencoder = "/models/mine"' in user_path().read_text()
    environ = {"AUTOML_AGENT_KNOWLEDGE_ENCODER": "none", "AUTOML_AGENT_CONFIG": str(user_path())}
    assert load_configuration(environ=environ).encoder == "none"


def test_a_projects_file_may_not_name_a_model_to_read(tmp_path: Path) -> None:
    (tmp_path / "automl-agent.toml").write_text('[knowledge]\nencoder = "./model"\n')
    with pytest.raises(InputError) as caught:
        load_configuration(directory=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'automl-agent.toml'}: a project's file may not set knowledge.encoder, which "
        f"reads or downloads a model; if you want that one, put it into {user_path()}"
    )


@pytest.mark.parametrize("value", ['""', "5", "[]", "true"])
def test_what_is_no_name_is_refused(value: str) -> None:
    user_path().parent.mkdir(parents=True, exist_ok=True)
    user_path().write_text(f"[knowledge]\nencoder = {value}\n")
    with pytest.raises(InputError, match="at /knowledge/encoder"):
        load_configuration()
