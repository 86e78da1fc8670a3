"""The rules of devices that take in documents: cheques, and what shares their ways."""
