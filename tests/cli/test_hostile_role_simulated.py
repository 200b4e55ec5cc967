"""A delegated role that signs what is wrong, as its publisher sees it: the metadata of the role is
SIMULATED with its own key, and put into the publisher's tree."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives import serialization

from test_delegate import Desk, desk    # noqa: F401 (fixture)
from tuf_simulator import canonical


def sign_as_role(desk, card):           # noqa: F811
    """Version 2 of the role's list, with this card for community-a, as a draft."""
    path = "models/community-a/community-a.card.json"
    data = card if isinstance(card, bytes) else json.dumps(card).encode()
    digest = hashlib.sha256(data).hexdigest()
    (desk.tree / f"targets/models/community-a/{digest}.community-a.card.json").write_bytes(data)
    version, signed = desk.newest("community")
    signed["version"] = version + 1
    signed["targets"][path] = {"length": len(data), "hashes": {"sha256": digest}}
    private = serialization.load_pem_private_key(
        (desk.theirs / "keys/community.pem").read_bytes(), None)
    key, = [k for k in desk.newest("targets")[1]["delegations"]["roles"][0]["keyids"]]
    envelope = {"signed": signed, "signatures": [
        {"keyid": key, "sig": private.sign(canonical(signed).encode()).hex()}]}
    drafts = desk.tree / "drafts"
    drafts.mkdir(exist_ok=True)
    (drafts / "community.json").write_text(json.dumps(envelope))


@pytest.fixture
def ours(desk):     # noqa: F811
    """Both have signed a model."""
    desk.catalog("add", desk.prepare("official"))
    desk.delegate()
    desk.catalog("add", "--role", "community", desk.prepare("community-a"))
    desk.sign()
    desk.sign_as_community()
    desk.sign()
    assert desk.models() == ["community-a", "official"]
    return desk


def test_a_right_card_of_a_role_is_published(ours):
    card = json.loads((ours.tree / "cards/community-a.card.json").read_text())
    sign_as_role(ours, {**card, "title": "Theirs"})
    assert ours.sign()["published"]
    assert "Theirs" in (ours.tree / "catalog.json").read_text()


OFFICIAL = {"path": "models/official/official-q8_0.gguf", "size": 1, "sha256": "a" * 64}


@pytest.mark.parametrize("change, message", [
    ({"mirrors": []}, "the card names mirrors, which only the publisher of the repository may"),
    ({"roles": []}, "the card names roles, which only the publisher of the repository may"),
    ({"id": "official"}, "this is the card of 'official', not of 'community-a'"),
    ({"version": 2}, "version 2 is not supported"),
    ({"variants": [{"id": "q8", "files": [OFFICIAL]}]}, "is not in models/community-a/"),
])
def test_a_wrong_card_of_a_role_is_not_published(ours, change, message):
    """What is published stays as it is, and the publisher is not stuck with it."""
    card = json.loads((ours.tree / "cards/community-a.card.json").read_text())
    before = (ours.tree / "metadata/timestamp.json").read_bytes()
    sign_as_role(ours, {**card, **change})
    ours.catalog("add", ours.prepare("more"))
    error = ours.refused(6, "sign")
    assert "the role community has signed a card of community-a that cannot be published" in error
    assert message in error
    assert "undelegate community" in error or "newer version" in error
    assert (ours.tree / "metadata/timestamp.json").read_bytes() == before
    ours.fetch("community-a")
    ours.catalog("undelegate", "community")
    ours.sign()
    assert ours.models() == ["more", "official"]
