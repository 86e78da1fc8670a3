"""Biometrics: subjects are captured, templates imported, and the two compared."""
