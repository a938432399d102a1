"""`automl-agent predict`: new rows with the model of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automl_agent.cards.data_card import Classes
from automl_agent.cards.documents import escape_unseen
from automl_agent.errors import InputError, SetupError
from automl_agent.sandboxes.sandbox import SandboxOptions
from automl_agent.ui.options import output_format, print_json, sandbox_choice
from automl_agent.ui.progress import describe_gpus, describe_sandbox

if TYPE_CHECKING:
    from pandas import DataFrame

    from automl_agent.training.prediction import Prediction


@click.command()
@click.argument("run")
@click.argument("table")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="CSV or Parquet."
)
@click.option("--proba", is_flag=True, help="Also a column p:CLASS for each class.")
@sandbox_choice
@output_format
def predict(
    run: str,
    table: str,
    output: Path,
    sandbox: str,
    sandbox_options: SandboxOptions,
    output_format: str,
    *,
    proba: bool,
) -> None:
    """Predict the rows of TABLE with the model of RUN (its id, or "last").

    Columns are found by name: other columns are ignored, a missing one is an error. A category that
    training did not see counts as missing, as does a cell that is not of its column's kind.
    """
    from automl_agent.agent import Agent

    check_output(output, table)
    agent = Agent(sandbox=sandbox, sandbox_options=sandbox_options, on_event=_show_event)
    result = agent.load(run)
    prediction = result.predict_rows(agent.read_table(table))
    frame = build_frame(prediction, proba=proba)
    write_frame(frame, output)
    for note in prediction.notes:
        click.echo(escape_unseen(f"Note: {note}"), err=True)
    if output_format == "json":
        document = {"run_id": result.run_id, "output": str(output), "n_rows": len(frame)}
        print_json(document | {"notes": list(prediction.notes)})
    else:
        click.echo(f"Wrote {len(frame)} predictions to {output}.")


def _show_event(name: str, fields: Mapping[str, Any]) -> None:
    is_second_choice = name == "sandbox_chosen" and fields["problems"]
    text = describe_sandbox(fields) if is_second_choice else describe_gpus(name, fields)
    if text:
        click.echo(escape_unseen(text), err=True)


def check_output(output: Path, table: str) -> None:
    """Nothing, if the file can be written and is not the table itself.

    Raises: InputError; SetupError.
    """
    if output.suffix not in (".csv", ".parquet"):
        raise InputError(f"{output} must end in .csv or .parquet.")
    if output.resolve() == Path(table).resolve():
        raise InputError(f"{output} is the table itself; choose another -o.")
    if not output.parent.is_dir():
        raise SetupError(f"There is no folder {output.parent}; make it first.")


def build_frame(prediction: "Prediction", *, proba: bool) -> "DataFrame":
    """The column `prediction` and, with proba, one column `p:<class>` a class.

    Raises: InputError if probabilities of a regression are asked for.
    """
    import pandas as pd

    frame = pd.DataFrame({"prediction": prediction.labels()})
    space = prediction.card.label_space
    if proba and not isinstance(space, Classes):
        raise InputError("A regression has no probabilities; leave --proba out.")
    if proba and isinstance(space, Classes):
        for position, name in enumerate(space.classes):
            frame[f"p:{name}"] = prediction.values[:, position]
    return frame


def write_frame(frame: "DataFrame", output: Path) -> None:
    """The whole file or none.

    Raises: SetupError if the folder cannot be written.
    """
    partial = output.with_name(output.name + ".partial")
    try:
        if output.suffix == ".csv":
            frame.to_csv(partial, index=False)
        else:
            frame.to_parquet(partial, index=False)
        partial.replace(output)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise SetupError(
            f"{output} cannot be written ({exc.strerror}); choose another -o."
        ) from exc
