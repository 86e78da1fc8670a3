"""A fleet: devices that dial out to a broker, and gateways at which applications reach them.

Nothing else of the package needs this room; `docs/fleet.md` says how it is used.
"""
