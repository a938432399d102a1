"""Save a model as a script should."""

from probing import OUT, allowed

model = OUT / "model"
model.mkdir()
allowed("a model can be saved", lambda: (model / "model.json").write_text("{}"))
