"""`python -m gateway` is `tag-gateway`."""

import sys

from gateway.cli import main

sys.exit(main())
