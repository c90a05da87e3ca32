"""`python -m notbugs.app`: the command line without an installed script."""

from notbugs.app.cli import main

main()
