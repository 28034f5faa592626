"""`python -m boffin`."""

from boffin.cli import main

main()
