"""A file to start from: each line that begins with # and no space is a setting to switch on."""

EXAMPLE = """\
# The configuration of automl-agent. A value here counts for more than the default; an
# automl-agent.toml in the folder of a project, the environment (AUTOML_AGENT_TRIALS=5) and
# flags (--trials 5) count for more than a value here. What is in force, and what set it:
# automl-agent config

# Who plans: planner (built in, without a model), an endpoint, or ENDPOINT:MODEL.
#controller = "planner"

# What a chat model may see of the data: schema (names, types, statistics), sample, or none.
#privacy = "schema"

# The most that a run may take; without them a run may cost what its time and trials allow.
#budget_usd = 1.5
#budget_tokens = 500000
#time = "5m"
#trials = 20

# Where scripts run: docker, process, or auto (docker where it can be used).
#sandbox = "auto"

# Whether finished trials are kept on this machine, with the data card (names of columns and
# classes, statistics, no rows), so that later runs begin with what worked on similar tables.
#[knowledge]
#remember = true

# Whether runs begin with what worked on similar tables, and are predicted from their curves;
# without it they begin with the experts' defaults.
#transfer = true

# What compares the texts of data cards: the packaged all-MiniLM-L6-v2, an encoder of a plugin, the
# folder or hub name of a sentence-transformers model, or none. Stands only in your own file.
#encoder = "all-MiniLM-L6-v2"

# Endpoints stand only in your own file, never in a project's. Keys stand in neither: put one
# into its environment variable, or store it with: automl-agent config set-key NAME

#[endpoints.anthropic]
#model = "claude-sonnet-5-5"

#[endpoints.ollama]
#base_url = "http://127.0.0.1:11434/v1"
#model = "qwen3:8b"
#context_tokens = 32768

# A server of your own, for --controller lab
#[endpoints.lab]
#base_url = "http://gpu.example:8000/v1"
#protocol = "chat_completions"
#model = "openai/gpt-oss-120b"
#key_variable = "LAB_API_KEY"
#needs_key = true
#tool_calling = "native"
#context_tokens = 131072
#max_output_tokens = 8192
#input_usd_per_million = 0.0
#output_usd_per_million = 0.0
#is_thinking = false
#idle_timeout_s = 90
"""
