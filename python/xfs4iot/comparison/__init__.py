"""Our denomination compared with other methods, measured on the machine at hand: `xfs4iot bench denominate`.

The other methods come with the extra `bench`; nothing else imports them.
"""
