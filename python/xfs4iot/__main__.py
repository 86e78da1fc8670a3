"""The program, `xfs4iot` or `python -m xfs4iot`."""

from xfs4iot.held_signals import hold

hold()

from xfs4iot.cli import main  # noqa: E402 - signals are held first

if __name__ == "__main__":
    main()
