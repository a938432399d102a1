"""Probes of the kernel: privileges, namespaces, devices, system calls."""

from automl_agent.sandboxes.battery.probe import Probe

PROBES = (
    Probe("H32-mounts", "mount, unmount, change the root", ("h32_mounts.py",)),
    Probe("H33-namespaces", "get a namespace of its own", ("h33_namespaces.py",)),
    Probe("H34-cgroups", "change its own limits", ("h34_cgroups.py",)),
    Probe("H36-keys", "use the kernel's keyrings", ("h36_keys.py",)),
    Probe("H37-system-calls", "make dangerous system calls", ("h37_system_calls.py",)),
    Probe("H38-privileges", "become root", ("h38_privileges.py",)),
    Probe("H39-devices", "make and open devices", ("h39_devices.py",)),
    Probe("H58-clock", "set the time", ("h58_clock.py",)),
)
