"""The verbs for other agents, over MCP."""
