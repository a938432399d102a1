"""Touch memory until death."""

from probing import FACTS, check

hoard = bytearray(64 * 2**20)
check("control: 64 MiB can be had", len(hoard) == 64 * 2**20, len(hoard))
blocks = []
for n_blocks in range(FACTS["memory_mib"] // 16 * 2):
    blocks.append(b"x" * (16 * 2**20))
    if n_blocks * 16 > FACTS["memory_mib"]:
        check("no more than the limit", False, f"{n_blocks * 16} MiB")
        break
