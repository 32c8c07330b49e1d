"""`python -m mobilenets` is the command `mobilenets`."""

import sys

from mobilenets.cli.main import main

sys.exit(main())
