"""What starts fast imports nothing heavy, however many plugins are installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "anthropic", "docker", "faiss", "jsonschema", "numpy", "openai", "optuna", "pandas", "pyarrow",
    "rich", "scipy", "sentence_transformers", "sklearn", "sqlite3", "torch", "xgboost",
)  # fmt: skip
N_PLUGINS = 200


@pytest.fixture
def many_plugins(tmp_path: Path) -> Path:
    """A folder with many installed plugins, each of which would be noticed if it were imported."""
    for number in range(N_PLUGINS):
        package = tmp_path / f"plugin_{number}"
        package.mkdir()
        (package / "__init__.py").write_text("raise AssertionError('a plugin was imported')\n")
        metadata = tmp_path / f"automl_agent_many_{number}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: automl-agent-many-{number}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[automl_agent]\nmany = plugin_{number}\n")
    return tmp_path


def run_python(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import automl_agent", id="import"),
        pytest.param("from automl_agent import Expert, hookimpl", id="a plugin's imports"),
        pytest.param(
            "import contextlib, io\n"
            "from automl_agent.ui.app import cli\n"
            "with contextlib.redirect_stdout(io.StringIO()):\n"
            "    cli.main(['--help'], standalone_mode=False)",
            id="--help",
        ),
    ],
)
def test_nothing_heavy_is_imported(code: str, many_plugins: Path) -> None:
    report = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(run_python(code + report, many_plugins).stdout)
    assert [name for name in HEAVY if name in modules] == []
    assert [name for name in modules if name.startswith("plugin_")] == []


def test_experts_are_listed_without_importing_a_plugin(many_plugins: Path) -> None:
    code = "from automl_agent.ui.app import cli; cli.main(['experts', 'list'])"
    assert "xgboost" in run_python(code, many_plugins).stdout


def test_every_public_name_can_be_imported() -> None:
    import automl_agent

    assert len(automl_agent.__all__) <= 25
    assert all(getattr(automl_agent, name) is not None for name in automl_agent.__all__)
