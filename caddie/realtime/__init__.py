"""Socket.IO on the wire: engine, transports, connections, commands. The only home of socketio and engineio."""
