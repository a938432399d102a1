"""The wheel holds what it must and works where there is no checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "plugins" / "automl-agent-xgboost"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for source in (ROOT, PLUGIN):
        # A copy: a build leaves files behind in its source folder.
        project = folder / "sources" / source.name
        for name in _tracked_and_new_files(source):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_bytes((source / name).read_bytes())
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
        subprocess.run([*command, project], check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_packages_files_and_no_others(wheels: Path) -> None:
    (wheel,) = wheels.glob("automl_agent-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == {
        *_files("automl_agent", "*.py", "automl_agent"),
        *_files("schemas", "*.json", "automl_agent/_assets/schemas"),
        *_files("sandbox", "*.py", "automl_agent/_assets/sandbox"),
        *_files("sandbox", "*.json", "automl_agent/_assets/sandbox"),
        "automl_agent/_assets/sandbox/Dockerfile",
        "automl_agent/_assets/sandbox/requirements.lock",
        "automl_agent/py.typed",
        "automl_agent/knowledge/base/knowledge.jsonl.gz",
        "automl_agent/knowledge/base/scales.json",
        "automl_agent/knowledge/base/vectors.npz",
    }


def test_the_wheel_trains_in_a_fresh_environment(wheels: Path, tmp_path: Path) -> None:
    python = _make_environment(tmp_path / "env", wheels)
    table = ROOT / "examples" / "adult" / "adult_test.csv.gz"
    command = [python.parent / "automl-agent", "run", table, "--target", "income", "--yes"]
    done = subprocess.run(
        [*command, "--trials", "1", "--output-format", "json"],
        cwd=tmp_path,
        env={
            **os.environ,
            "AUTOML_AGENT_HOME": str(tmp_path / "home"),
            "AUTOML_AGENT_KNOWLEDGE_TRANSFER": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    # Always saying the more frequent class is right for 76 % of the rows.
    assert json.loads(done.stdout)["scores"]["accuracy"] > 0.85


def _files(folder: str, pattern: str, destination: str) -> set[str]:
    paths = (ROOT / folder).rglob(pattern)
    return {f"{destination}/{path.relative_to(ROOT / folder)}" for path in paths}


def _tracked_and_new_files(source: Path) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    listed = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\n") if name and (source / name).is_file()]


def _make_environment(folder: Path, wheels: Path) -> Path:
    """An environment with the wheels, and this one's other packages but nothing of the checkout."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    others = folder / "others"
    others.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "automl" not in entry.name.lower() and entry.suffix != ".pth":
            (others / entry.name).symlink_to(entry)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "others.pth").write_text(f"{others}\n")
    pip = [sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-index", *wheels.glob("*.whl")], check=True)
    return folder / "bin" / "python"
