"""`python -m findalike`: the command, where its folder is not on the PATH."""

from findalike.cli.main import main

main()
