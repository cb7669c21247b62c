"""``python -m teamwire_sync._cli``."""

from teamwire_sync._cli import main

main(prog_name="teamwire-sync")
