"""`python -m automl_agent` is the program `automl-agent`."""

from automl_agent.ui.app import main

main()
