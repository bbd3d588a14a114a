"""How many examples are tried: as many as a test run has patience for, or more (``HYPOTHESIS_PROFILE=much``)."""

import os

from hypothesis import HealthCheck, settings

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile("few", max_examples=60, deadline=None, suppress_health_check=SLOW)
settings.register_profile("much", max_examples=5000, deadline=None, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))
