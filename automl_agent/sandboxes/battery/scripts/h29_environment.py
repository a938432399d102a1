"""Print the environment."""

import os

from probing import FACTS, check

# The runner adds these three.
given = set(os.environ) - {"AUTOML_IN", "AUTOML_OUT", "AUTOML_JOB"}
check("exactly the variables of the specification", given == set(FACTS["environment"]), given)
check("control: HOME is a folder that can be written to", os.access("/tmp", os.W_OK), "/tmp")
