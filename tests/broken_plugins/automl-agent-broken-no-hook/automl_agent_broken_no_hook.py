def register_experts() -> list[object]:
    return []
