"""What a build is given: merged requirements, pins, and only the wheels that it needs."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_agent.assets import asset_path
from automl_agent.cards.model_card import Requirement
from automl_agent.errors import InputError
from automl_agent.sandboxes.image.build_context import (
    Resolution,
    find_wheels,
    merge_requirements,
    read_lock,
    resolve_requirements,
    write_context,
)
from automl_agent.sandboxes.image.site_settings import SiteSettings

ROOT = Path(__file__).parent.parent.parent.parent
SPECIFIERS = ["", ">=2", ">=2.0", " >= 2 ", "<4,>=3", ">=3,<4", "==1.0", "==1.0.0"]
NAMES = ["numpy", "NumPy", "scikit_learn", "scikit-learn", "xgboost"]


def need(package: str, version: str = "") -> Requirement:
    return Requirement(package, version, (package,))


def make_wheel(folder: Path, name: str, *needs: str) -> Path:
    """A wheel with nothing in it but what it requires."""
    path = folder / name
    distribution = "-".join(name.split("-")[:2])
    lines = ["Metadata-Version: 2.1", *(f"Requires-Dist: {text}" for text in needs)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{distribution}.dist-info/METADATA", "\n".join(lines) + "\n\n")
    return path


def test_what_several_cards_ask_of_a_package_is_joined() -> None:
    asked = [
        need("NumPy", ">=2"),
        need("xgboost", ">=3,<4"),
        need("numpy", "<3, >=2"),
        need("skops"),
    ]
    assert merge_requirements(asked) == ("numpy<3,>=2", "skops", "xgboost<4,>=3")


@given(
    st.lists(
        st.builds(need, st.sampled_from(NAMES), st.sampled_from(SPECIFIERS)), max_size=8
    ).flatmap(lambda asked: st.tuples(st.just(asked), st.permutations(asked)))
)
def test_the_order_of_the_cards_does_not_matter(
    orders: tuple[list[Requirement], list[Requirement]],
) -> None:
    assert merge_requirements(orders[0]) == merge_requirements(orders[1])


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("numpy\n--index-url=https://evil.example", ""),
        ("-e .", ""),
        ("numpy", "2"),
        ("numpy", "@ https://evil.example/numpy.whl"),
        ("numpy", "; python_version < '4'"),
    ],
    ids=["option", "editable", "no-operator", "address", "marker"],
)
def test_nothing_but_a_name_and_versions_reaches_pip(package: str, version: str) -> None:
    with pytest.raises(InputError):
        merge_requirements([need(package, version)])


def test_the_lock_agrees_with_the_versions_that_are_tested_together() -> None:
    lock = read_lock(asset_path("sandbox", "requirements.lock").read_text())
    tested = read_lock((ROOT / "constraints.txt").read_text())
    both = lock.keys() & tested.keys()
    assert {name: lock[name] for name in both} == {name: tested[name] for name in both}
    assert {"numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "xgboost"} <= both


def test_the_lock_pins_what_experts_ask_for() -> None:
    resolution = resolve_requirements([need("xgboost", ">=3,<4")])
    assert resolution.requirements == ("xgboost<4,>=3",)
    assert "xgboost==3.2.0" in resolution.constraints
    assert resolution.notes == ()


def test_a_card_that_contradicts_the_lock_is_followed_with_a_note() -> None:
    resolution = resolve_requirements([need("xgboost", "<3")])
    assert not [line for line in resolution.constraints if line.startswith("xgboost")]
    assert resolution.notes == ("xgboost<3 is asked for; xgboost 3.2.0 was tested.",)


def test_a_package_outside_of_the_lock_has_the_version_of_this_machine_if_that_fits() -> None:
    from importlib.metadata import version

    asked = [need("pluggy", ">=1"), need("click", "<1"), need("not-installed-anywhere")]
    lines = resolve_requirements(asked).constraints
    assert f"pluggy=={version('pluggy')}" in lines
    assert not [line for line in lines if line.startswith(("click", "not-installed"))]


def test_only_wheels_that_the_installation_needs_are_taken(tmp_path: Path) -> None:
    fitting = make_wheel(
        tmp_path, "alpha-1.0+cpu-py3-none-any.whl", "beta>=1", "zeta; extra == 'x'"
    )
    dependency = make_wheel(tmp_path, "beta-2.0-cp311-cp311-manylinux_2_28_x86_64.whl")
    make_wheel(tmp_path, "alpha-0.9-py3-none-any.whl")
    make_wheel(tmp_path, "alpha-1.0-cp311-cp311-win_amd64.whl")
    make_wheel(tmp_path, "zeta-1.0-py3-none-any.whl")
    make_wheel(tmp_path, "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl")
    (tmp_path / "not-a-wheel.whl").touch()
    resolution = Resolution(("alpha",), ("alpha==1.0", "torch==2.13.0"))
    assert find_wheels(resolution, [tmp_path]) == [fitting, dependency]


def test_dependencies_are_followed_through_what_is_installed_here(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "joblib-1.6.0-py3-none-any.whl")
    resolution = Resolution(("scikit-learn",), ("joblib==1.6.0",))
    assert find_wheels(resolution, [tmp_path]) == [wheel]


def test_the_context_holds_the_settings_and_nothing_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "site.pem").write_bytes(b"-----BEGIN \xff-----")
    make_wheel(tmp_path, "alpha-1.0-py3-none-any.whl")
    settings = SiteSettings(ca=tmp_path / "site.pem", wheel_folders=(tmp_path,))
    target = io.BytesIO()
    write_context(target, Resolution(("alpha",), ("alpha==1.0",)), settings)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        members = archive.getmembers()
        texts = {m.name: archive.extractfile(m).read() for m in members if m.isfile()}  # type: ignore[union-attr]
    assert {m.name for m in members} == {
        "Dockerfile", "requirements.txt", "constraints.txt", "pip.conf", "ca.pem", "wheels",
        "wheels/alpha-1.0-py3-none-any.whl",
    }  # fmt: skip
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert texts["requirements.txt"] == b"alpha\n"
    assert texts["constraints.txt"] == b"alpha==1.0\n"
    assert texts["ca.pem"] == b"-----BEGIN \xff-----"
    assert b"cert = /build/ca.pem" in texts["pip.conf"]
