"""The events that each command may send, one module per interface, generated from the catalogue."""
