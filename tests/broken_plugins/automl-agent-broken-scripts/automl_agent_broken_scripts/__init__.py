from automl_agent import Plan, hookimpl, template_expert


class BrokenExpert:
    card = template_expert(__name__).card

    def write_scripts(self, plan: Plan) -> dict[str, str]:
        raise RuntimeError(f"no scripts for {plan.expert}")


@hookimpl
def register_experts() -> list[BrokenExpert]:
    return [BrokenExpert()]
