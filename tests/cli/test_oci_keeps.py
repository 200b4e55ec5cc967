"""What a registry keeps of a repository: what readers of older releases still need, and what a push
of some objects does not touch."""

import hashlib

import pytest

from published import mirror, publisher, signed_base  # noqa: F401
from registries import CREDENTIALS, PASSWORD, USER, Registry, RegistryProxy


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def image(request):
    return "acme/" + hashlib.sha256(request.node.name.encode()).hexdigest()[:12]


@pytest.fixture
def oci_publisher(publisher, no_pauses, registry, image):  # noqa: F811
    publisher.ferry.env.update(CREDENTIALS)
    publisher.configure(registry.mirror("hub", image))
    publisher("push")
    return publisher


def titles(registry, image, tag):
    manifest = registry.manifest(image, tag) or {"layers": []}
    return {layer.get("annotations", {}).get("org.opencontainers.image.title")
            for layer in manifest["layers"]} - {None}


def card_key(publisher):
    [path] = (publisher.tree / "targets/models/tiny").glob("*.tiny.card.json")
    return str(path.relative_to(publisher.tree))


def test_what_left_a_release_is_kept_until_it_is_pruned(oci_publisher, registry, image, validate):
    old = card_key(oci_publisher)
    before = titles(registry, image, "ferry-model-tiny")
    oci_publisher.add_model("tiny", "10M", seed=9)
    oci_publisher("push")
    assert titles(registry, image, "ferry-old-tiny") == {old}
    assert before - {old} < titles(registry, image, "ferry-model-tiny")
    # A push that changes nothing leaves it, and a prune at once is too early for readers.
    oci_publisher("push", "--prune")
    assert titles(registry, image, "ferry-old-tiny") == {old}
    oci_publisher("catalog", "refresh", at="+100 days")
    pruned = oci_publisher("push", "--prune", "--json", at="+100 days").json
    validate(pruned, "output-push")
    removed = {i["key"] for m in pruned["pruned"] for i in m["items"] if i["removed"]}
    assert old in removed and "metadata/2.snapshot.json" in removed
    assert titles(registry, image, "ferry-old-tiny") == set()
    assert "metadata/2.snapshot.json" not in titles(registry, image, "ferry-metadata")
    oci_publisher("verify", at="+100 days")


def test_a_push_of_some_files_keeps_the_others_and_the_tags(oci_publisher, registry, image):
    whole = titles(registry, image, "ferry-model-tiny")
    tags = {tag: registry.manifest(image, tag) for tag in registry.tags(image)
            if not tag.startswith("ferry-")}
    oci_publisher.add_model("second", "1M", seed=2)
    oci_publisher("push", "--only", "*tiny*.gguf", "--only", "*second*.gguf")
    assert titles(registry, image, "ferry-model-tiny") == whole
    assert any(key.endswith("second-q8_0.gguf")
               for key in titles(registry, image, "ferry-model-second"))
    # Other programs see the new model with the release, not before it.
    assert {tag: registry.manifest(image, tag) for tag in registry.tags(image)
            if not tag.startswith("ferry-")} == tags
    oci_publisher("push")
    assert "second-q8_0" in registry.tags(image)
    oci_publisher("verify", "--full")


def test_other_programs_do_not_see_what_is_only_on_stage_mirrors(publisher, no_pauses, registry,
                                                                 image):
    publisher.ferry.env.update(CREDENTIALS)
    publisher.configure(registry.mirror("hub", image), mirror("s", stage="yes"))
    publisher("push", "--stage")
    assert publisher.release("s")
    assert registry.tags(image) == ["ferry-model-tiny"]
    publisher("push")
    assert {"ferry-metadata", "tiny-q8_0"} < set(registry.tags(image))
    publisher("verify", "--full")


def test_a_web_page_in_place_of_a_simulated_registrys_answer_is_named(oci_publisher, registry,
                                                                      image):
    with RegistryProxy(registry) as proxy:
        proxy.add("manifests/ferry-metadata", status=200, body=b"<!DOCTYPE html><html></html>",
                  headers={"Content-Type": "text/html"})
        oci_publisher.configure(proxy.mirror("hub", image))
        assert "login page" in oci_publisher("push", check=6).err


def test_credentials_in_the_name_of_an_image_are_not_repeated(oci_publisher):
    oci_publisher.configure(mirror("hub", kind="oci", image=f"{USER}:{PASSWORD}@ghcr.io/o/r"))
    result = oci_publisher("push", check=2)
    assert PASSWORD not in result.out + result.err
    assert "docker login" in result.err
