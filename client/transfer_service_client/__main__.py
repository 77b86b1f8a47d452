"""`python -m transfer_service_client`: the command `transfer`, where it is not on the path."""

from transfer_service_client.cli.main import main

main()
