"""The wire as data: catalogue, message classes, versions, and the standard's errors."""
