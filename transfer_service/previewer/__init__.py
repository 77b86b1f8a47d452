"""The maker of previews: a program of its own, `python -m transfer_service.previewer`, that hostile files are given to.

It is started with an empty environment by the worker (`services/previews/maker.py`), loads the decoders once, and forks
for each file. The fork gives up everything it does not need before it looks at the first byte (`confinement`), makes
the pictures, writes them to a socket and ends. So nothing of one file is left when the next one comes, and nothing that
a file may do to its fork reaches another process.
"""
