"""The command `transfer`, also as `python -m transfer_service_client`."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Load the command, and run it. Ctrl-C ends it without a word until it can say one."""
    hears = signal.getsignal(signal.SIGINT)
    if hears is signal.default_int_handler:  # not where whoever started it has it ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from transfer_service_client.cli.main import main as run

    signal.signal(signal.SIGINT, hears)
    run()


if __name__ == "__main__":
    main()
