"""Do nothing that is forbidden."""

from probing import OUT, allowed

allowed("write a file", lambda: (OUT / "fine.txt").write_text("fine"))
