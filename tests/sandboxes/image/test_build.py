"""The image's name, and what a real build makes of it."""

import fcntl
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from automl_agent.cards.model_card import Requirement
from automl_agent.errors import SandboxError
from automl_agent.sandboxes.image import build as build_module
from automl_agent.sandboxes.image.build import (
    BUILD_LABEL,
    MAX_SIZE_MIB,
    REPOSITORY,
    build_image,
    explain_build,
    find_image,
    image_name,
)
from automl_agent.sandboxes.image.site_settings import SiteSettings

if TYPE_CHECKING:
    from docker import APIClient

XGBOOST = Requirement("xgboost", ">=3,<4", ("xgboost",))
NUMPY = Requirement("numpy", ">=2", ("numpy",))
# Small, pure Python and in the lock: a build of it takes some seconds.
SMALL = Requirement("wcwidth", "", ("wcwidth",))
TRAINING = """
import importlib.metadata, json, os
import numpy, pyarrow.parquet, sklearn.ensemble, skops.io, xgboost
x = numpy.random.default_rng(0).normal(size=(200, 4))
y = (x[:, 0] > 0).astype(int)
forest = sklearn.ensemble.RandomForestClassifier(5, random_state=0)
models = (xgboost.XGBClassifier(n_estimators=5), forest)
def writes(path):
    try:
        open(path, "wb")
    except OSError:
        return False
    return True
print(json.dumps({
    "scores": [m.fit(x, y).score(x, y) for m in models],
    "uid": os.getuid(),
    "writable": [p for p in ("/x", "/tmp/x", "/opt/venv/x", "/proc/1/mem") if writes(p)],
    "packages": sorted(d.name for d in importlib.metadata.distributions()),
}))
"""


def test_the_name_says_the_variant_and_twelve_digits_of_what_is_in_it() -> None:
    name = image_name([XGBOOST, NUMPY])
    repository, _, tag = name.partition(":")
    variant, _, digest = tag.partition("-")
    assert (repository, variant, len(digest)) == ("automl-agent-sandbox", "cpu", 12)
    assert int(digest, 16)


def test_the_name_does_not_depend_on_order_imports_or_repetition() -> None:
    other = Requirement("XGBoost", "<4, >=3", ("xgboost.sklearn",))
    assert image_name([NUMPY, other, XGBOOST]) == image_name([XGBOOST, NUMPY])


@pytest.mark.parametrize(
    ("requirements", "variant"),
    [
        ([XGBOOST], "cpu"),
        ([XGBOOST, NUMPY], "gpu"),
        ([Requirement("xgboost", ">=3", ()), NUMPY], "cpu"),
    ],
    ids=["fewer", "gpu", "other-version"],
)
def test_another_content_has_another_name(
    requirements: list[Requirement], variant: build_module.Variant
) -> None:
    assert image_name(requirements, variant) != image_name([XGBOOST, NUMPY])


@pytest.mark.parametrize("part", ["read_dockerfile", "read_lock_text"])
def test_another_dockerfile_or_lock_gives_another_name(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image_name([NUMPY])
    monkeypatch.setattr(build_module, part, lambda: "another text")
    assert image_name([NUMPY]) != before


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (["ERROR: [SSL: CERTIFICATE_VERIFY_FAILED]", "returned 1"], "certificates: --ca FILE"),
        (["ERROR: ResolutionImpossible: for help", "returned 1"], "--wheels DIR"),
        (["ERROR: No matching distribution found for x", "returned 1"], "or --wheels DIR"),
        (["write: No space left on device"], "docker system prune"),
        (["/bin/sh: python3: not found", "returned 127"], "modules venv and ensurepip."),
        (["something else"], "something else. The lines above say more."),
    ],
    ids=["certificate", "conflict", "missing", "disk", "python", "unknown"],
)
def test_a_failed_build_says_what_to_do(said: list[str], ends: str) -> None:
    text = explain_build(said)
    assert text.startswith("The image cannot be built: ")
    assert text.endswith(ends)


@pytest.mark.docker
def test_the_image_trains_read_only_without_network_as_nobody(
    engine: "APIClient", image: str
) -> None:
    command = ["/usr/local/libexec/automl-timeout", "-k", "10", "60", "tini", "-s", "--"]
    output = run_container(engine, image, [*command, "/opt/venv/bin/python", "-I", "-c", TRAINING])
    found = json.loads(output.splitlines()[-1])
    assert min(found["scores"]) > 0.9
    assert found["uid"] == 65534
    assert found["writable"] == []
    assert "xgboost" in found["packages"]
    assert not {"pip", "setuptools", "nvidia-nccl-cu12"} & set(found["packages"])


@pytest.mark.docker
def test_the_image_is_small_enough_and_says_what_it_is(engine: "APIClient", image: str) -> None:
    found = engine.inspect_image(image)
    assert found["Size"] <= MAX_SIZE_MIB["cpu"] * 2**20
    labels = found["Config"]["Labels"]
    # Containers inherit labels, and these are the labels by which containers are found.
    assert "automl-agent.schema" not in labels
    assert labels["automl-agent.variant"] == "cpu"
    assert labels["automl-agent.base"]
    assert "xgboost<4,>=3" in labels["automl-agent.requirements"].split()
    assert BUILD_LABEL not in labels


@pytest.fixture
def base(engine: "APIClient", image: str) -> Iterator[str]:
    """The base of the image that is there: a build from it fetches nothing but packages."""
    with (Path(tempfile.gettempdir()) / "automl-agent-test-builds.lock").open("w") as lock:
        # Tests that build take turns: what one is about to take away, another would find.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield str(engine.inspect_image(image)["Config"]["Labels"]["automl-agent.base"])


@pytest.fixture
def small_image(engine: "APIClient", base: str) -> Iterator[str]:
    """The name of a small image, which is removed when the test has built it."""
    del base  # while others build, what they leave is not ours
    from docker.errors import ImageNotFound

    name = image_name([SMALL])
    yield name
    with suppress(ImageNotFound):
        engine.remove_image(name, force=True)
    assert list_leftovers(engine) == []


@pytest.mark.docker
def test_addresses_and_passwords_stay_out_of_the_image(
    engine: "APIClient", base: str, small_image: str, wheel_of_small: Path
) -> None:
    settings = SiteSettings(
        index="http://me:s3cret@127.0.0.1:9/simple",
        extra_indexes=("http://you:s3cret@127.0.0.1:9/simple",),
        has_index=False,
        proxies=(("NO_PROXY", "s3cret.example"),),
        wheel_folders=(wheel_of_small.parent,),
    )
    lines: list[str] = []
    built = build_image([SMALL], base=base, on_line=lines.append, settings=settings)
    assert built.name == small_image
    assert f"Taking {wheel_of_small}" in lines
    described = json.dumps([engine.history(small_image), engine.inspect_image(small_image)])
    assert "s3cret" not in described
    assert "127.0.0.1" not in described
    assert "s3cret" not in run_container(
        engine, small_image, ["/bin/sh", "-c", "env; cat /build/* /etc/pip.conf; ls -R /opt"]
    )
    assert "s3cret" not in "\n".join(lines)


@pytest.mark.docker
def test_a_package_that_no_index_has_leaves_nothing_behind(engine: "APIClient", base: str) -> None:
    settings = SiteSettings(has_index=False)
    with pytest.raises(SandboxError, match=r"ERROR: Cannot install wcwidth .*--wheels DIR"):
        build_image([SMALL], base=base, on_line=lambda _: None, settings=settings)
    assert find_image(engine, image_name([SMALL])) is None
    assert list_leftovers(engine) == []


@pytest.mark.docker
def test_a_base_that_no_registry_has_leads_to_the_base_that_needs_none(engine: "APIClient") -> None:
    del engine
    with pytest.raises(SandboxError, match=r"Cannot fetch the base .* try --base rootfs"):
        build_image([SMALL], base="127.0.0.1:9/nowhere/python", on_line=lambda _: None)


@pytest.mark.docker
def test_ctrl_c_ends_a_build_and_leaves_nothing_behind(engine: "APIClient", base: str) -> None:
    def interrupt(line: str) -> None:
        if "compileall" in line and line.startswith("Step"):
            raise KeyboardInterrupt

    settings = SiteSettings(has_index=False)
    with pytest.raises(KeyboardInterrupt):
        build_image([SMALL], base=base, on_line=interrupt, settings=settings)
    assert find_image(engine, image_name([SMALL])) is None
    assert list_leftovers(engine) == []


def run_container(engine: "APIClient", image: str, command: list[str]) -> str:
    """What a command prints in a container with a read-only root and no network."""
    container = engine.create_container(
        image,
        command,
        labels={"automl-agent.schema": "1"},
        host_config=engine.create_host_config(network_mode="none", read_only=True),
    )["Id"]
    try:
        engine.start(container)
        engine.wait(container)
        output: bytes = engine.logs(container)
        return output.decode()
    finally:
        engine.remove_container(container, force=True)


def list_leftovers(engine: "APIClient") -> list[str]:
    """What builds have left: images and containers of their first stages, and drafts."""
    stages = {"label": BUILD_LABEL}
    found = [*engine.images(filters=stages), *engine.containers(all=True, filters=stages)]
    drafts = [tag for image in engine.images(REPOSITORY) for tag in image["RepoTags"] or ()]
    return [entry["Id"] for entry in found] + [tag for tag in drafts if ":draft-" in tag]


@pytest.fixture
def wheel_of_small(tmp_path: Path) -> Path:
    """A wheel of the small package, so that its build needs no index."""
    import zipfile

    from automl_agent.sandboxes.image.build_context import resolve_requirements

    pins = dict(line.split("==") for line in resolve_requirements([SMALL]).constraints)
    stem = f"wcwidth-{pins['wcwidth']}"
    path = tmp_path / f"{stem}-py3-none-any.whl"
    metadata = ["Metadata-Version: 2.1", "Name: wcwidth", f"Version: {pins['wcwidth']}", ""]
    files = {
        "wcwidth/__init__.py": "",
        f"{stem}.dist-info/METADATA": "\n".join(metadata),
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
