def register_experts(:
