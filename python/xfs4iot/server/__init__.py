"""The engine, the same for every interface.

Each stands on those below it, and knows what is above only as far as it says itself (`_Host`):

handler     how an interface says which of its functions serves which command
publisher   binds a port, accepts connections, routes them to services by path
access      who may connect, and who may do what
service     one device endpoint: its sessions, its queue, its events
session     one connection: reads, accepts or refuses, answers, writes
command     one command from acceptance to completion
status      what has changed since clients were last told
peer        who is at the other end of a connection
stalls      finds what holds up the event loop
"""
