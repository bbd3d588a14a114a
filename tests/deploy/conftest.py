"""Which tests of the deployment are run."""

import os

# `make images` builds the images and runs this file on them; building takes minutes.
collect_ignore = [] if "UAPI_IMAGES" in os.environ else ["test_images.py"]
