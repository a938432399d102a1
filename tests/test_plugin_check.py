"""The deep check of a plugin survives whatever the plugin does, and says what that is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import automl_agent_xgboost
import pytest

from automl_agent.plugin_check import check_in_subprocess
from automl_agent.plugins import DISABLED_VARIABLE, TIMEOUT_VARIABLE, PluginSource, discover_plugins

from .conftest import Site

PROJECTS = Path(__file__).parent / "broken_plugins"
LEAVE_OUT = " Update it, or leave it out: AUTOML_AGENT_DISABLED_PLUGINS="
CARD = automl_agent_xgboost.register_experts()[0].card.to_json()
HOLDS_THE_LOCK = """
import ctypes

ctypes.PyDLL(None).sleep(3600)
"""
LEAVES_A_THREAD = """
import threading, time
from automl_agent import hookimpl

threading.Thread(target=time.sleep, args=(3600,), daemon=False).start()

@hookimpl
def on_event(name):
    return None
"""
LEAVES_A_PROGRAM = """
import subprocess, sys
from pathlib import Path
from automl_agent import hookimpl

program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
Path(__file__).with_name("pid").write_text(str(program.pid))

@hookimpl
def on_event(name):
    return None
"""
CLAIMS_EVERY_SOURCE = """
from automl_agent import hookimpl

@hookimpl
def load_dataset(source):
    return source
"""
HIDES_ITS_CARD = """
from dataclasses import replace
from automl_agent import hookimpl, template_expert

@hookimpl
def register_experts():
    expert = template_expert("automl_agent_xgboost")
    card = replace(expert.card, name="acme", tasks=("regression",))
    return [replace(expert, card=card)]
"""
WRITES_ONE_SCRIPT = """
from automl_agent import hookimpl, template_expert

class Expert:
    card = template_expert(__name__).card

    def write_scripts(self, plan):
        return {"train.py": ""}

@hookimpl
def register_experts():
    return [Expert()]
"""


def find_source(name: str) -> PluginSource:
    (source,) = [source for source in discover_plugins() if source.distribution == name]
    return source


def run_check(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automl_agent.plugin_check", name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def wait_for_end(pid: int) -> None:
    """Return when a program has ended, or fail: SIGKILL takes a moment."""
    stat = Path(f"/proc/{pid}/stat")
    with suppress(OSError):  # the program is gone
        for _ in range(100):
            if ") Z " in stat.read_text():  # it has ended, and nobody waited for it
                return
            time.sleep(0.05)
        raise AssertionError(f"The program {pid} still runs.")


def test_a_healthy_plugin_has_no_problem() -> None:
    assert check_in_subprocess(find_source("automl-agent-xgboost")) == []


def test_the_program_prints_one_document_and_ends_with_success() -> None:
    done = run_check("Automl_Agent_XGBoost")
    document = {"distribution": "automl-agent-xgboost", "ok": True, "problems": []}
    assert (json.loads(done.stdout), done.returncode) == (document, 0)


def test_an_unknown_name_is_a_problem() -> None:
    done = run_check("acme")
    problem = "it is not installed. `automl-agent plugins list` shows the names of plugins."
    document = {"distribution": "acme", "ok": False, "problems": [problem]}
    assert (json.loads(done.stdout), done.returncode) == (document, 1)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("segfault", "it ends the process that loads it (Segmentation fault)."),
        ("vanish", "it ends the process that loads it (exit status 0)."),
        ("exit", "importing it failed with SystemExit: 3."),
        ("hang", "importing it did not end within 1 s."),
        ("event", "its hook on_event failed with ConnectionError: nobody listens to "
         "plugin_checked."),
        ("scripts", "writing the scripts of 'broken-scripts' for regression failed with "
         "RuntimeError: no scripts for broken-scripts."),
        ("import", "writing the scripts of 'broken-import' for regression failed: "
         "data_processing.py, line 1: imports 'no_such_library', which the card of broken-import "
         "does not declare; allowed beside the standard library: numpy."),
    ],
    ids=lambda value: value.partition(" ")[0],
)  # fmt: skip
def test_what_a_broken_plugin_does_is_found(
    name: str, problem: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, "1" if name == "hang" else "30")
    distribution = f"automl-agent-broken-{name}"
    site.install(PROJECTS / distribution)
    problems = check_in_subprocess(find_source(distribution))
    assert problems == [f"{problem}{LEAVE_OUT}{distribution}"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param(LEAVES_A_THREAD, [], id="a thread that never ends"),
        pytest.param(
            CLAIMS_EVERY_SOURCE,
            [
                "its hook load_dataset must return None for a source that it does not know."
                f"{LEAVE_OUT}acme"
            ],
            id="claims every source",
        ),
        pytest.param(
            HIDES_ITS_CARD,
            [
                "the card of its expert 'acme' is not among the cards in its package. Ship it "
                "there as model_card.json or model_cards/NAME.json."
            ],
            id="hides its card",
        ),
        pytest.param(
            WRITES_ONE_SCRIPT,
            [
                f"writing the scripts of 'acme-trees' for {task} failed: acme-trees wrote "
                "train.py; needed are exactly data_processing.py, model.py, train.py, predict.py."
                f"{LEAVE_OUT}acme"
                for task in CARD["tasks"]
            ],
            id="writes one script",
        ),
    ],
)
def test_what_only_a_deep_check_can_see_is_found(
    text: str, problems: list[str], site: Site
) -> None:
    card = json.dumps({**CARD, "name": "acme-trees"})
    files = {"acme/__init__.py": text, "acme/model_card.json": card}
    site.add("acme", {"acme": "acme"}, files)
    assert check_in_subprocess(find_source("acme"), timeout_s=60) == problems


def test_a_plugin_that_holds_the_interpreter_is_ended(site: Site) -> None:
    site.add("acme", {"acme": "acme"}, {"acme.py": HOLDS_THE_LOCK})
    problems = check_in_subprocess(find_source("acme"), timeout_s=2)
    assert problems == [f"checking it did not end within 2 s.{LEAVE_OUT}acme"]


def test_programs_that_a_plugin_started_are_ended_with_the_check(site: Site) -> None:
    site.add("acme", {"acme": "acme"}, {"acme.py": LEAVES_A_PROGRAM})
    assert check_in_subprocess(find_source("acme"), timeout_s=60) == []
    wait_for_end(int((site.folder / "pid").read_text()))


def test_what_a_plugin_and_its_programs_print_is_not_in_the_document(site: Site) -> None:
    text = "import os\nos.system('echo a program')\nos.write(1, b'a library\\n')\nprint('a line')\n"
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    done = run_check("acme")
    assert json.loads(done.stdout)["problems"] == [
        "it implements no hook; each needs the mark `automl_agent.hookimpl`." + LEAVE_OUT + "acme"
    ]
    assert done.stderr.splitlines() == ["a program", "a library", "a line"]


def test_a_disabled_plugin_can_be_checked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("acme", {"acme": "acme"}, {"acme.py": "raise OSError"})
    source = find_source("acme")
    monkeypatch.setenv(DISABLED_VARIABLE, "acme")
    (problem,) = check_in_subprocess(source)
    assert problem.startswith("importing it failed with OSError.")


def test_the_current_folder_is_not_searched(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("acme", {"acme": "acme"}, {"acme.py": "import json.decoder\nraise OSError"})
    here = tmp_path / "here"
    here.mkdir()
    (here / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(here)
    (problem,) = check_in_subprocess(find_source("acme"))
    assert problem.startswith("importing it failed with OSError.")


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_check(site: Site) -> None:
    text = (
        "import os, time\nfrom pathlib import Path\n"
        "Path(__file__).with_name('pid').write_text(str(os.getpid()))\ntime.sleep(3600)\n"
    )
    site.add("acme", {"acme": "acme"}, {"acme.py": text})
    pid = site.folder / "pid"

    def interrupt() -> None:
        while not pid.is_file() or not pid.read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        check_in_subprocess(find_source("acme"))
    wait_for_end(int(pid.read_text()))
