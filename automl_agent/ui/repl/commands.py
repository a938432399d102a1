"""The slash commands: their names, what they take, and what they do."""

from automl_agent.errors import UnknownNameError
from automl_agent.ui.repl import change_commands, look_commands, talk_commands
from automl_agent.ui.repl.command import Command

_ALL = (*look_commands.COMMANDS, *change_commands.COMMANDS, *talk_commands.COMMANDS)
COMMANDS = {command.name: command for command in _ALL}


def find_command(name: str) -> Command:
    """The command of that name.

    Raises: UnknownNameError with the nearest one.
    """
    if name not in COMMANDS:
        raise UnknownNameError("command", f"/{name}", [f"/{known}" for known in COMMANDS])
    return COMMANDS[name]
