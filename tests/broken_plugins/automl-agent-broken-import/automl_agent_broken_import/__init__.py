from automl_agent import Plan, hookimpl, template_expert


class BrokenExpert:
    card = template_expert(__name__).card

    def write_scripts(self, plan: Plan) -> dict[str, str]:
        names = ("data_processing.py", "model.py", "train.py", "predict.py")
        return dict.fromkeys(names, "import no_such_library\n")


@hookimpl
def register_experts() -> list[BrokenExpert]:
    return [BrokenExpert()]
