"""What the sealer signs is what verifying accepts: the two agree on the form of digests by their own code."""

from collections.abc import Mapping
from datetime import timedelta

from tests.unit.sealing.conftest import world as sealing_world
from tests.unit.sealing.world import World
from tests.unit.trail.sealed import check

__all__ = ["sealing_world"]


def test_a_trail_of_three_digests_is_as_it_was_sealed(
    sealing_world: World, unsealed: Mapping[str, bytes]
) -> None:
    """Of which the second names nothing, and the third an object that is not ours."""
    for key, body in unsealed.items():
        sealing_world.put(key, body, at=sealing_world.now - timedelta(hours=1))
    sealing_world.seal()
    sealing_world.wait(days=1)
    sealing_world.seal()
    sealing_world.put("foreign", b"", at=sealing_world.now)
    sealing_world.wait(days=1)
    sealing_world.seal()
    listed = sealing_world.keys()
    trail = {key: sealing_world.body(key) for key in listed}
    found = check(trail)
    assert (found.kinds, found.not_sealed, len(found.signers)) == ({("inserted", "foreign")}, 0, 1)
    assert check({**trail, "foreign": b"x"}).kinds == {
        ("inserted", "foreign"),
        ("altered", "foreign"),
    }
