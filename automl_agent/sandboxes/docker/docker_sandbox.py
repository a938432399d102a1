"""The Docker sandbox: a container for each step, with nothing allowed that is not needed."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_agent.assets import asset_path
from automl_agent.errors import SandboxError
from automl_agent.sandboxes.docker.capabilities import (
    check_allowed_names,
    choose_gpu_driver,
    describe_missing,
    find_missing_limits,
    gather,
    read_swap_mib,
)
from automl_agent.sandboxes.docker.container import (
    Container,
    ContainerGoneError,
    NameTakenError,
    create_container,
    find_container,
)
from automl_agent.sandboxes.docker.effective import observe_container
from automl_agent.sandboxes.docker.engine import (
    PING_LIMIT_S,
    EngineError,
    GpuRefusedError,
    explaining_errors,
    open_engine,
)
from automl_agent.sandboxes.docker.handle import DockerHandle
from automl_agent.sandboxes.docker.owner import current_owner
from automl_agent.sandboxes.docker.policy import Policy, default_policy, has_user
from automl_agent.sandboxes.docker.reaper import read_owner, reap, write_owner
from automl_agent.sandboxes.docker.specification import (
    LABEL,
    SCRATCH,
    build_specification,
    fingerprint_step,
    name_container,
)
from automl_agent.sandboxes.runner_config import build_runner_config
from automl_agent.sandboxes.sandbox import SandboxOptions, StepSpec

if TYPE_CHECKING:
    from docker import APIClient

BUILD_COMMAND = "automl-agent sandbox build"
# A name for each kind of image: "cpu" and "gpu".
FindImage = Callable[[str], str]
BuildSpecification = Callable[..., dict[str, Any]]


class DockerSandbox:
    """Runs a step in a container of the local engine.

    find_image: the name of the image for the installed experts, of the variant "cpu" or "gpu".
    policy: default: the one for this process's user.
    build: what makes the engine's request; tests show with a weaker one what each setting is for.
    """

    name = "docker"
    is_container = True

    def __init__(
        self,
        find_image: FindImage,
        *,
        policy: Policy | None = None,
        build: BuildSpecification = build_specification,
    ) -> None:
        self._find_image = find_image
        self._policy = policy
        self._build = build
        self._has_reaped = False

    def find_problem(self, options: SandboxOptions) -> str | None:
        """Why it cannot be used on this machine.

        Raises: InputError if the options allow to be without a limit that does not exist.
        """
        check_allowed_names(options.allow_degraded)
        if os.name != "posix":
            return "It needs Linux or macOS; on Windows, use WSL 2."
        user_id = (self._policy or default_policy()).user_id
        if not has_user(user_id):
            return (
                f"You are root of a user namespace without a user {user_id}, as whom containers "
                "run; start outside of it, or as a user who is not root."
            )
        try:
            with closing(open_engine(PING_LIMIT_S)) as client:
                with explaining_errors("ask the engine what it can do"):
                    about = client.info()
                self._check_images(client, options, about)
        except EngineError as exc:
            return str(exc)
        return find_missing_limits(about, options, swap_mib=read_swap_mib())

    def start(self, spec: StepSpec) -> DockerHandle:
        """Start a container for a step; how that goes is the handle's to say."""
        policy = self._choose_policy(spec.options)
        folder = spec.folder.resolve()
        try:
            _prepare_folder(folder, spec, policy)
        except OSError as exc:
            raise SandboxError(f"The folder of the step cannot be prepared: {exc}.") from exc
        resolved = replace(spec, folder=folder)
        return DockerHandle(
            resolved,
            policy,
            lambda client, attempt: self._launch(client, resolved, policy, attempt),
        )

    def _launch(
        self, client: "APIClient", spec: StepSpec, policy: Policy, attempt: int
    ) -> Container:
        """The running container of an attempt: a new one, or the one that a dead process left."""
        if not self._has_reaped:
            self._has_reaped = True
            reap(client, kept_run=spec.run_id)
        body = self._build_request(client, spec, policy, attempt)
        name = name_container(spec, attempt)
        try:
            container = create_container(client, body, name)
        except NameTakenError:
            adopted = _adopt(client, spec, name)
            if adopted is not None:
                return adopted
            container = create_container(client, body, name)
        try:
            _refuse_weakened(container, body, spec.options)
            write_owner(spec.folder, current_owner())
            container.start()
        except BaseException:
            # Nobody else will know of it; one that cannot be removed now is the reaper's.
            with contextlib.suppress(EngineError):
                container.remove()
            raise
        return container

    def build_request(self, client: "APIClient", spec: StepSpec) -> dict[str, Any]:
        """What the engine is asked for when a step starts; for those who compare it."""
        return self._build_request(client, spec, self._choose_policy(spec.options), attempt=1)

    def _choose_policy(self, options: SandboxOptions) -> Policy:
        policy = self._policy or default_policy()
        return replace(policy, runtime=options.runtime) if options.runtime else policy

    def _build_request(
        self, client: "APIClient", spec: StepSpec, policy: Policy, attempt: int
    ) -> dict[str, Any]:
        with explaining_errors("ask the engine what it can do"):
            about = client.info()
        return self._build(
            spec,
            policy,
            image=self._find_image_id(client, "gpu" if spec.resources.gpus else "cpu", about),
            seccomp=json.loads(asset_path("sandbox", "seccomp.json").read_text()),
            owner=current_owner(),
            attempt=attempt,
            now=time.time(),
            gpu_driver=choose_gpu_driver(about, spec.resources.gpus),
            apparmor=any("apparmor" in option for option in about.get("SecurityOptions") or ()),
        )

    def _check_images(
        self, client: "APIClient", options: SandboxOptions, about: dict[str, Any]
    ) -> None:
        """Nothing, if there is an image; where processors will do, the one for them will do.

        Raises: EngineError.
        """
        try:
            self._find_image_id(client, "gpu" if options.n_gpus else "cpu", about)
        except GpuRefusedError:
            if not options.cpu_fallback:
                raise
            self._find_image_id(client, "cpu", about)

    def _find_image_id(self, client: "APIClient", variant: str, about: dict[str, Any]) -> str:
        """The image's digest, so that nobody can exchange it behind its name.

        Raises: EngineError if it is not there, or for another processor.
        """
        from docker.errors import ImageNotFound

        kind = GpuRefusedError if variant == "gpu" else EngineError
        name = self._find_image(variant)
        command = BUILD_COMMAND + (" --variant gpu" if variant == "gpu" else "")
        with explaining_errors("look for the image"):
            try:
                found = client.inspect_image(name)
            except ImageNotFound as exc:
                raise kind(
                    f"The image {name} for the installed experts is not there; build it: {command}"
                ) from exc
        if _name_processor(found["Architecture"]) != _name_processor(about["Architecture"]):
            raise kind(
                f"The image {name} is for {found['Architecture']}, and the engine runs on "
                f"{about['Architecture']}; build it here: {command} --fresh"
            )
        return str(found["Id"])


def _refuse_weakened(container: Container, body: dict[str, Any], options: SandboxOptions) -> None:
    """Nothing, if the engine made what it was asked for; else the container is removed.

    Raises: EngineError that names what it dropped.
    """
    problem = describe_missing(gather(observe_container(body, container.inspect())), options)
    if problem:
        container.remove()
        raise EngineError(problem)


def _adopt(client: "APIClient", spec: StepSpec, name: str) -> Container | None:
    """The container that an earlier process made for the same step, if it runs; None if it is gone.

    Raises: NameTakenError if it is somebody else's.
    """
    try:
        container, found = find_container(client, name)
    except ContainerGoneError:
        return None
    labels = found["Config"]["Labels"]
    owner = read_owner(spec.folder)
    is_ours = labels.get(f"{LABEL}.fingerprint") == fingerprint_step(spec)
    is_free = owner is None or owner.is_dead() or owner == current_owner()
    if not (is_ours and is_free):
        raise NameTakenError(
            f"There is a container {name} already, of another run; end it, or remove it: "
            f"docker rm -f {name}"
        )
    if found["State"]["Running"]:
        write_owner(spec.folder, current_owner())
        return container
    container.remove()
    return None


def _prepare_folder(folder: Path, spec: StepSpec, policy: Policy) -> None:
    """Everything that the container reads, and who may write where."""
    shutil.copyfile(asset_path("sandbox", "runner.py"), folder / "code" / "main.py")
    shutil.copyfile(asset_path("sandbox", "confinement.py"), folder / "code" / "confinement.py")
    config = build_runner_config(
        spec,
        job_grace_s=policy.job_grace_s,
        max_file_bytes=policy.max_file_bytes,
        scratch=SCRATCH,
        is_contained=True,
    )
    (folder / "in" / "runner.json").write_text(json.dumps(config))
    if os.getuid() == policy.user_id:
        return
    # The agent is root, whose uid the container does not get.
    os.chown(folder / "out", policy.user_id, policy.group_id)
    for room in ("in", "code"):
        for path in (folder / room, *(folder / room).rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                path.chmod(0o755 if path.is_dir() else 0o644)


def _name_processor(architecture: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(architecture, architecture)
