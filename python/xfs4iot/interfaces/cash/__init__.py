"""The rules of cash: dispensing it, managing it, counting it."""
