"""Settings of all property tests: how long an example takes is the machine's business."""

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")
