"""Read what is the host's, or another run's."""

from pathlib import Path

from probing import FACTS, allowed, check, denied

allowed("a file of its own input", lambda: Path("/in/runner.json").read_text())
denied("the shadow file", lambda: Path("/etc/shadow").read_text(), "EACCES", "ENOENT")
denied("root's folder", lambda: list(Path("/root").iterdir()), "EACCES", "ENOENT")
homes = [str(path) for path in Path("/home").glob("*")]
check("no home", homes == [], homes)
for path in FACTS["host_paths"]:
    denied(f"the host's {path}", lambda p=path: Path(p).lstat(), "ENOENT", "EACCES")
inside = sorted(path.name for path in Path("/in").iterdir())
check("only its own input", inside == FACTS["in_names"], inside)
