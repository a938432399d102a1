from automl_agent import hookimpl


@hookimpl
def register_experts() -> list[object]:
    return ["xgboost"]
