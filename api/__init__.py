"""The doors: command line, REST and events, MCP, web page, remote client. Imports every room below."""
