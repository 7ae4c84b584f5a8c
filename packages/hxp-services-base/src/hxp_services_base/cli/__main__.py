"""`python -m hxp_services_base.cli`."""

from ._entry import main

main()
