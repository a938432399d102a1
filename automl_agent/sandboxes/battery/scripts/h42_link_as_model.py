"""Save a model that is a link to a file of the host."""

import os

from probing import OUT, allowed

model = OUT / "model"
model.mkdir()
(model / "settings.json").write_text("{}")
allowed("a link can be made", lambda: os.symlink("/etc/passwd", model / "model.json"))
