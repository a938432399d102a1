"""Probes of files: what may be read, what may be written, what is left, what is collected."""

from collections.abc import Iterator

from automl_agent.sandboxes.battery.probe import Attempt, Check, Probe, collection_of


def _look_at_collection(attempt: Attempt) -> Iterator[Check]:
    good, link = collection_of(attempt, 0), collection_of(attempt, 1)
    yield Check("control: a model is collected", good == "collected", good)
    yield Check("a link is refused", link != "collected", link)


PROBES = (
    Probe("H27-host-files", "read the host's files", ("h27_host_files.py",)),
    Probe("H28-processes", "read other processes", ("h28_processes.py",)),
    Probe("H29-environment", "print the environment", ("h29_environment.py",)),
    Probe("H40-read-only", "write where nothing may be written", ("h40_read_only.py",)),
    Probe("H40-mounts", "read back mounts, limits, namespaces", ("h40_mount_options.py",)),
    Probe("H54-persistence", "leave files for the next", ("h54_plant.py", "h54_look.py")),
    Probe(
        "H42-link",
        "save a link to a file of the host as model",
        ("h42_good_model.py", "h42_link_as_model.py"),
        own_step=True,
        look=_look_at_collection,
    ),
)
