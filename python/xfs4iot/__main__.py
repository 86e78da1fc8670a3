"""`python -m xfs4iot`."""

from xfs4iot.cli import main

if __name__ == "__main__":
    main()
