"""The rules of storage units, whatever they hold."""
