"""The engine, the same for every interface.

publisher   binds a port, accepts connections, routes them to services by path
service     one device endpoint: its sessions, its queue, its events
session     one connection: reads, accepts or refuses, answers, writes
command     one command from acceptance to completion
handler     how an interface says which of its functions serves which command
status      what has changed since clients were last told
"""
