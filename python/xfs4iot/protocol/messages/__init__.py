"""The messages of the newest version as classes, one module per interface, generated from the catalogue."""
