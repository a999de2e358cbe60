"""``python -m qa`` is ``tanya``."""

import sys

from qa.cli import main

sys.exit(main())
