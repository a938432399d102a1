from automl_agent import hookimpl

print("Thank you for importing me!")


@hookimpl
def register_experts() -> list[object]:
    print("Thank you for calling me!")
    return []
