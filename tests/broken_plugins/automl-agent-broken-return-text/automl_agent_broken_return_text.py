from automl_agent import hookimpl


@hookimpl
def register_experts() -> str:
    return "xgboost"
