from automl_agent import hookimpl


@hookimpl
def register_experts() -> dict[str, str]:
    return {"xgboost": "an expert"}
