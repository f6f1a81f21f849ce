"""``python -m skysteer.cli`` is ``skysteer``."""

from ._app import main

main()
