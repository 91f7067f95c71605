"""How many examples a property is tried on."""

from hypothesis import settings


def try_examples(most: int) -> settings:
    """Settings of a property: `most` examples, and no more than the profile's where that is `quick`.

    Settings of a test's own would win over the profile that `make unit` chooses.
    """
    quick = settings.get_current_profile_name() == "quick"
    allowed = settings.get_profile("quick").max_examples if quick else most
    return settings(max_examples=min(most, allowed), deadline=None)
