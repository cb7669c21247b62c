"""``python -m teamwire_sync``."""

from teamwire_sync._cli import main

main(prog_name="teamwire-sync")
