"""Probes of the network: nothing may leave, nobody may be reached."""

from automl_agent.sandboxes.battery.probe import Probe

PROBES = (
    Probe("H22-connect", "connect to host, metadata service, internet", ("h22_connect.py",)),
    Probe("H24-families", "open sockets of other families", ("h24_socket_families.py",)),
    Probe("H25-raw", "open raw sockets", ("h25_raw_sockets.py",)),
    Probe("H26-control-sockets", "look for docker.sock and its like", ("h26_control_sockets.py",)),
)
