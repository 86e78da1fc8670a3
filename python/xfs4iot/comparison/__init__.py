"""Denomination beside other ways of it, measured on the machine at hand: `xfs4iot bench denominate`.

The other ways are the extra `bench`; nothing else imports them.
"""
