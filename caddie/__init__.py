"""The executor: Socket.IO server, agent and workflow execution."""
