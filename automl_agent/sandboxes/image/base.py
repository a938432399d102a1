"""A base for the sandbox image where no registry can be reached: Debian, by debootstrap."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from automl_agent.environment import environment_without_keys
from automl_agent.errors import SandboxError, SetupError
from automl_agent.sandboxes.docker.engine import explaining_errors, open_engine
from automl_agent.sandboxes.image.build import SILENCE_LIMIT_S, find_image, name_image

if TYPE_CHECKING:
    from docker import APIClient

REPOSITORY = "automl-agent-base"
SUITE = "bookworm"  # its Python is 3.11, as in the default base
DEFAULT_MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,python3-venv,tini,ca-certificates,libgomp1"
# What a sandbox has no use for; the packages' copyright files stay, as their licences ask.
_LEFT_OUT = (
    "dev/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/lib/apt/lists/*",
)
_DEBIAN_ARCHITECTURES = {"arm": "armhf", "386": "i386", "ppc64le": "ppc64el"}
_CA_PATH = "etc/ssl/certs/ca-certificates.crt"


def base_name(architecture: str) -> str:
    """The name of the base for a processor as Docker calls it."""
    return f"{REPOSITORY}:{SUITE}-{architecture}"


def find_base() -> str | None:
    """The name of the base if the engine has it."""
    with closing(open_engine()) as client:
        found = find_image(client, base_name(_read_architecture(client)))
    return found.name if found else None


def make_base(
    *, mirror: str = DEFAULT_MIRROR, ca: Path | None = None, on_line: Callable[[str], None]
) -> str:
    """Make the base with debootstrap and hand it to the engine; its name.

    ca: the certificates that the base trusts, in place of Debian's own.
    Raises: SetupError if a tool or a right is missing; SandboxError if it cannot be made.
    """
    problem = find_obstacle()
    if problem:
        raise SetupError(problem)
    with closing(open_engine(SILENCE_LIMIT_S)) as client, _temporary_root() as root:
        architecture = _read_architecture(client)
        name = base_name(architecture)
        debian = _DEBIAN_ARCHITECTURES.get(architecture, architecture)
        command = ["debootstrap", "--variant=minbase", "--force-check-gpg", f"--arch={debian}"]
        _run_debootstrap([*command, f"--include={PACKAGES}", SUITE, str(root), mirror], on_line)
        if ca:
            shutil.copyfile(ca, root / _CA_PATH)
        on_line(f"Importing {name}")
        _import_root(client, root, name)
    return name


def find_obstacle() -> str | None:
    """Why debootstrap cannot run on this machine, with the remedy; None if it can."""
    if shutil.which("debootstrap") is None:
        return (
            "--base rootfs needs debootstrap; install it (sudo apt-get install debootstrap), "
            "or use a base from a registry: --base IMAGE."
        )
    if os.geteuid() != 0:
        return (
            "--base rootfs needs the rights of root, as debootstrap does; run this command with "
            "sudo, or use a base from a registry: --base IMAGE."
        )
    return None


def _read_architecture(client: "APIClient") -> str:
    with explaining_errors("ask the engine for its processor"):
        return str(client.version()["Arch"])


@contextmanager
def _temporary_root() -> Iterator[Path]:
    """A folder for the file system, removed in the end with nothing mounted in it."""
    folder = Path(tempfile.mkdtemp(prefix="automl-agent-base-"))
    try:
        # debootstrap wants to make the root itself, as others must be able to read it.
        yield folder / "root"
    finally:
        # An interrupted debootstrap may leave /proc mounted.
        for point in sorted(_find_mounts(folder), reverse=True):
            subprocess.run(
                ["umount", point],
                check=False,
                capture_output=True,
                env=environment_without_keys(),
            )
        if not _find_mounts(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _find_mounts(folder: Path) -> list[str]:
    mounts = Path("/proc/self/mounts")
    lines = mounts.read_text().splitlines() if mounts.exists() else []
    points = [line.split()[1] for line in lines]
    return [point for point in points if Path(point).is_relative_to(folder.resolve())]


def _run_debootstrap(command: list[str], on_line: Callable[[str], None]) -> None:
    errors: list[str] = []
    # A session of its own: Ctrl-C comes to us alone, and we let it put away what it mounted.
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment_without_keys(),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                on_line(line.rstrip())
                errors += [line[2:].strip()] if line.startswith(("E:", "W: Failure")) else []
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode != 0:
        raise SandboxError(explain_debootstrap(errors))


def explain_debootstrap(errors: list[str]) -> str:
    """What went wrong, from the lines that debootstrap marks as errors, and the next step."""
    reason = errors[-1].rstrip(".") if errors else "debootstrap failed; the lines above say why"
    text = reason.lower()
    remedy = "Give a mirror that this machine reaches: --mirror URL"
    if "keyring" in text or "signed" in text or "signature" in text:
        remedy = "Install Debian's keys: sudo apt-get install debian-archive-keyring"
    elif "noexec" in text or "nodev" in text:
        remedy = "Set TMPDIR to a folder where programs may run."
    return f"The base cannot be made: {reason}. {remedy}"


def _import_root(client: "APIClient", root: Path, name: str) -> None:
    left_out = [f"--exclude=./{pattern}" for pattern in _LEFT_OUT]
    command = ["tar", "--create", "--numeric-owner", "--directory", str(root), *left_out, "."]
    draft = f"draft-{uuid.uuid4().hex[:12]}"
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, env=environment_without_keys()
        ) as archive,
        explaining_errors(f"import the base {name}"),
    ):
        answer = client.import_image_from_stream(
            archive.stdout, repository=REPOSITORY, tag=draft, changes=['CMD ["/bin/sh"]']
        )
    if archive.returncode != 0 or '"error"' in answer:
        raise SandboxError(f"The base cannot be imported: {answer.strip() or 'tar failed'}.")
    name_image(client, f"{REPOSITORY}:{draft}", name)
    with explaining_errors(f"name the base {name}"):
        client.remove_image(f"{REPOSITORY}:{draft}")
