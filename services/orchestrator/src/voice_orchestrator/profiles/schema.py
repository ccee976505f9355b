"""The JSON schema of a profile, for editors."""

import json

from voice_orchestrator.profiles.model import Profile


def profile_schema() -> str:
    """The schema as published in configs/agent_profiles/profile.schema.json."""
    schema = Profile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Voice agent profile"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
