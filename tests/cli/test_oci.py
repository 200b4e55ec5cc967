"""Mirrors in registries (kind oci): a real docker-registry with htpasswd and with tokens, read
back by skopeo; the requests of Ollama and Docker Model Runner are simulated from their sources."""

import hashlib
import json
import shutil
import subprocess
import threading

import pytest

import registries
from conftest import ROOT, TOOLS, Ferry
from published import Publisher, outcomes, publisher, signed_base  # noqa: F401 (fixtures)
from registries import CREDENTIALS, PASSWORD, USER, Registry, RegistryProxy, TokenServer
from waiting import PATIENCE, until

OCI, DOCKER = registries.MANIFESTS
TINY = "tiny-q8_0"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    with TokenServer(tmp_path_factory.mktemp("tokens")) as server:
        yield server


@pytest.fixture(scope="module")
def token_registry(tmp_path_factory, tokens):
    with Registry(tmp_path_factory.mktemp("token-registry"), tokens=tokens) as server:
        yield server


@pytest.fixture
def proxy(registry):
    with RegistryProxy(registry) as server:
        yield server


@pytest.fixture
def image(request):
    """A repository of the registry for this test alone."""
    digest = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return f"acme/{digest}"


@pytest.fixture
def oci_publisher(publisher, no_pauses):  # noqa: F811
    publisher.ferry.env.update(CREDENTIALS)
    return publisher


@pytest.fixture
def reader(work, publisher):  # noqa: F811
    """Somebody elsewhere who knows nothing but the SHA-256 of the root."""
    home = work / "reader"
    home.mkdir()
    made = Ferry(home)
    made.env.update(CREDENTIALS)
    root = publisher.tree / "metadata/1.root.json"
    made.pin = hashlib.sha256(root.read_bytes()).hexdigest()
    return made


def model_file(publisher, name="tiny"):  # noqa: F811
    found = [p for p in (publisher.tree / "targets/models" / name).iterdir()
             if p.name.endswith(".gguf")]
    assert len(found) == 1
    return found[0]


def digest_of(path):
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


# -- the contract --------------------------------------------------------------------------


def contract(ferry, section):
    """Without a url for readers, who would have no credentials."""
    lines = [line for line in section.splitlines() if not line.startswith("url")]
    (ferry.work / "ferry.conf").write_text("\n".join(lines) + "\n")
    env = ferry.environment(CREDENTIALS)
    done = subprocess.run([str(TOOLS / "mirror-contract"), ferry.work / "ferry.conf", "m"],
                          env=env, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout + done.stderr


def test_a_registry_with_htpasswd_keeps_the_contract(ferry, registry, image):
    said = contract(ferry, registry.mirror("m", image))
    assert "FAILED" not in said and said.count("ok ") >= 25


def test_a_registry_with_tokens_keeps_the_contract(ferry, token_registry, tokens, image):
    said = contract(ferry, token_registry.mirror("m", image))
    assert "FAILED" not in said and said.count("ok ") >= 25
    assert any("pull,push" in scope for query in tokens.asked for scope in query["scope"])


def test_a_simulated_registry_without_chunks_keeps_the_contract(ferry, proxy, image):
    """As GHCR does with chunks over 4 MiB: an upload is one request, and cannot continue."""
    proxy.add("^PATCH", status=416)
    said = contract(ferry, proxy.mirror("m", image))
    failed = [line.split()[1].rstrip(":") for line in said.splitlines() if "FAILED" in line]
    # Whether the registry has something of the request by then is up to it.
    assert set(failed) <= {"a_closed_upload_is_found_again"}
    assert len(proxy.of("^PATCH")) == 1


# -- a whole release -----------------------------------------------------------------------


def test_a_release_is_pushed_verified_and_fetched_from_the_registry_alone(
        oci_publisher, registry, image, reader, validate):
    oci_publisher.configure(registry.mirror("hub", image))
    result = oci_publisher("push", "--json")
    validate(result.json, "output-push")
    assert outcomes(result) == {"hub": "done"}
    oci_publisher("verify", "--full")
    again = oci_publisher("push", "--json").json
    assert again["changed"] is False
    reader("repository", "add", "acme", f"oci://{registry.host}/{image}", "--root-sha256",
           reader.pin)
    got = reader("fetch", "tiny", "--json").json
    assert got["models"][0]["fetched"] == got["models"][0]["size"]
    stored = reader("fetch", "tiny", "--json").json["models"][0]
    assert stored["fetched"] == 0
    assert PASSWORD not in result.out + result.err


def test_a_client_reads_the_registry_that_the_catalog_names(oci_publisher, registry, image, reader,
                                                            nginx):
    """Metadata from a web server, the model from the registry."""
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("catalog", "sign")
    oci_publisher("push")
    only = oci_publisher.dir / "metadata-only"
    shutil.copytree(oci_publisher.tree, only)
    (only / model_file(oci_publisher).relative_to(oci_publisher.tree)).unlink()
    for name in CREDENTIALS:
        del reader.env[name]
    reader.env["DOCKER_CONFIG"] = str(reader.work)
    basic = registries.base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (reader.work / "config.json").write_text(
        json.dumps({"auths": {registry.host: {"auth": basic}}}))
    reader("repository", "add", "acme", nginx(only).url, "--root-sha256", reader.pin)
    got = reader("fetch", "tiny", "--json").json
    assert got["models"][0]["fetched"] == got["models"][0]["size"]
    assert any(f"/v2/{image}" in s["url"] for s in got["sources"])


def test_skopeo_copies_what_was_pushed(oci_publisher, registry, image, work):
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("push")
    where = f"docker://{registry.host}/{image}:{TINY}"
    options = ["--tls-verify=false", "--creds", f"{USER}:{PASSWORD}"]
    shown = subprocess.run(["skopeo", "inspect", "--raw", *options, where], check=True,
                           capture_output=True)
    assert json.loads(shown.stdout)["layers"][0]["digest"] == digest_of(model_file(oci_publisher))
    subprocess.run(["skopeo", "copy", "--src-tls-verify=false", "--src-creds",
                    f"{USER}:{PASSWORD}", where, f"dir:{work}/copy"], check=True,
                   capture_output=True)
    name = digest_of(model_file(oci_publisher)).removeprefix("sha256:")
    assert (work / "copy" / name).read_bytes() == model_file(oci_publisher).read_bytes()


def test_a_model_of_shards_has_no_tag_for_ollama_and_push_says_so(oci_publisher, registry, image):
    add_shards(oci_publisher)
    oci_publisher.configure(registry.mirror("hub", image))
    result = oci_publisher("push")
    assert "Ollama reads a model from one file only" in result.err
    tags = registry.tags(image)
    assert "big-q8_0" in tags and "big-q8_0-modelpack" in tags
    assert "big-q8_0-ollama" not in tags and f"{TINY}-ollama" in tags
    layers = registry.manifest(image, "big-q8_0")["layers"]
    assert len([x for x in layers if x["mediaType"].endswith("gguf.v3")]) == 3
    oci_publisher("verify", "--full")


def add_shards(oci_publisher):
    subprocess.run([str(ROOT / "scripts" / "make-test-gguf"), "-o", oci_publisher.dir / "big.gguf",
                    "--size", "4M", "--seed", "5", "--shards", "3"], check=True,
                   stdout=subprocess.DEVNULL)
    oci_publisher("prepare", "big", "big-00001-of-00003.gguf", "--set", "license.id=MIT", "--set",
                  "summary=For tests", "--set", "source.url=https://example.org/model")
    oci_publisher("catalog", "add", "models/big")
    oci_publisher("catalog", "sign")


# -- other readers -------------------------------------------------------------------------


def test_simulated_requests_of_ollama_get_the_model(oci_publisher, registry, image):
    """ollama/ollama, server/images.go (pullModelManifest, commit 5dbb81b) and server/download.go
    (Prepare, downloadChunk; commit 01ca4ec)."""
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("push")
    manifest = registry.manifest(image, f"{TINY}-ollama", accept=DOCKER)
    assert manifest["mediaType"] == DOCKER and manifest["schemaVersion"] == 2
    models = [x for x in manifest["layers"]
              if x["mediaType"] == "application/vnd.ollama.image.model"]
    assert len(models) == 1
    blobs = {}
    for layer in [*manifest["layers"], manifest["config"]]:
        path = f"{image}/blobs/{layer['digest']}"
        status, headers, _ = registry.ask(path, "HEAD")
        total = int(headers["Content-Length"])
        assert (status, total) == (200, layer["size"])
        parts = b""
        for offset in range(0, total, 4 << 20):
            end = min(offset + (4 << 20), total) - 1
            status, _, body = registry.ask(path, headers={"Range": f"bytes={offset}-{end}"})
            assert status == 206
            parts += body
        assert "sha256:" + hashlib.sha256(parts).hexdigest() == layer["digest"]
        blobs[layer["mediaType"]] = parts
    assert blobs["application/vnd.ollama.image.model"] == model_file(oci_publisher).read_bytes()
    assert b"MIT" in blobs["application/vnd.ollama.image.license"]
    config = json.loads(blobs["application/vnd.docker.container.image.v1+json"])
    assert config["model_format"] == "gguf"
    assert config["rootfs"]["diff_ids"] == [x["digest"] for x in manifest["layers"]]


def test_simulated_requests_of_docker_model_runner_get_the_model(oci_publisher, registry, image):
    """docker/model-runner, pkg/distribution/distribution/client.go (checkCompat, PullModel; commit
    0463b8e) and pkg/distribution/oci/remote/remote.go (rangeTransport; commit 001a05d)."""
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("push")
    accept = ", ".join([DOCKER, "application/vnd.docker.distribution.manifest.list.v2+json", OCI,
                        "application/vnd.oci.image.index.v1+json", "*/*"])
    for tag, config_type, weight in (
            (TINY, "application/vnd.docker.ai.model.config.v0.1+json",
             "application/vnd.docker.ai.gguf.v3"),
            (f"{TINY}-modelpack", "application/vnd.cncf.model.config.v1+json",
             "application/vnd.cncf.model.weight.v1.raw")):
        status, headers, _ = registry.ask(f"{image}/manifests/{tag}", "HEAD",
                                          headers={"Accept": accept})
        assert status == 200
        by_digest = registry.manifest(image, headers["Docker-Content-Digest"], accept)
        assert by_digest["mediaType"] == OCI
        assert by_digest["config"]["mediaType"] == config_type
        _, _, body = registry.ask(f"{image}/blobs/{by_digest['config']['digest']}")
        config = json.loads(body)
        assert config["config"]["format"] == "gguf"
        ids = config["rootfs"]["diff_ids"] if "rootfs" in config else config["modelfs"]["diffIds"]
        assert ids == [x["digest"] for x in by_digest["layers"]]
        model = by_digest["layers"][0]
        assert model["mediaType"] == weight
        status, _, rest = registry.ask(f"{image}/blobs/{model['digest']}",
                                       headers={"Range": "bytes=1000-"})
        assert status == 206
        assert rest == model_file(oci_publisher).read_bytes()[1000:]


def test_versions_have_tags_and_a_withdrawn_one_loses_its_own(oci_publisher, registry, image):
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("push")
    first = registry.manifest(image, TINY)["layers"][0]["digest"]
    oci_publisher.add_model("tiny", "10M", seed=9)
    oci_publisher("push")
    second = registry.manifest(image, TINY)["layers"][0]["digest"]
    assert second != first
    assert registry.manifest(image, f"{TINY}-v1")["layers"][0]["digest"] == first
    assert registry.manifest(image, f"{TINY}-v2")["layers"][0]["digest"] == second
    oci_publisher("catalog", "withdraw", "tiny:q8_0@2", "--reason", "It leaks prompts.")
    oci_publisher("catalog", "sign")
    oci_publisher("push")
    for tag in (TINY, f"{TINY}-v2", f"{TINY}-ollama", f"{TINY}-modelpack"):
        gone = registry.manifest(image, tag)
        assert second not in json.dumps(gone)
        assert gone["annotations"]["org.opencontainers.image.description"] == "It leaks prompts."
    assert registry.manifest(image, f"{TINY}-v1")["layers"][0]["digest"] == first


def test_a_blob_is_mounted_from_another_repository(oci_publisher, token_registry, image, work):
    oci_publisher.configure(token_registry.mirror("hub", f"{image}-one"))
    oci_publisher("push")
    with RegistryProxy(token_registry) as proxy:
        oci_publisher.configure(proxy.mirror("other", f"{image}-two",
                                             **{"mount-from": f"{image}-one"}))
        oci_publisher("push")
        assert len(proxy.of(r"^POST .*\?mount=sha256:.*&from=acme/")) >= 2
        assert len(proxy.of("^PATCH")) == 2     # those of the probe
        oci_publisher("verify", "--full")


# -- what goes wrong -----------------------------------------------------------------------


def test_a_registry_that_is_killed_in_the_middle_gets_the_rest_after_its_start(
        oci_publisher, work, image):
    with Registry(work) as registry, RegistryProxy(registry) as proxy:
        def restart():
            registry.kill()
            registry.launch()
        proxy.add("^PATCH", skip=3, times=1, cut_after=1 << 20, after=restart)
        oci_publisher.configure(proxy.mirror("hub", image))
        result = oci_publisher("push", "--json").json
        assert result["mirrors"][0]["retries"] >= 1
        oci_publisher("verify", "--full")


def test_one_request_that_is_cut_off_begins_anew_with_a_simulated_registry_without_chunks(
        oci_publisher, proxy, image):
    proxy.add("^PATCH", status=416)
    proxy.add("^PUT .*digest=", times=2, least=9 << 20, cut_after=9 << 20)
    oci_publisher.configure(proxy.mirror("hub", image))
    result = oci_publisher("push", "--json").json
    assert result["mirrors"][0]["retries"] >= 1
    assert result["mirrors"][0]["reread_bytes"] >= 8 << 20
    oci_publisher("verify", "--full")


def test_a_token_that_is_revoked_in_the_middle_is_replaced(oci_publisher, token_registry, tokens,
                                                           image):
    with RegistryProxy(token_registry) as proxy:
        challenge = (f'Bearer realm="{tokens.url}/token",service="it",'
                     f'scope="repository:{image}:pull,push",error="invalid_token"')
        proxy.add("^PATCH", skip=3, times=1, status=401, headers={"WWW-Authenticate": challenge})
        oci_publisher.configure(proxy.mirror("hub", image))
        oci_publisher("push")
        at = proxy.of(".").index(proxy.of("^PATCH")[3])
        used = [headers.get("Authorization") for _, headers in proxy.requests]
        assert used[at] != used[at + 1] and used[at] not in used[at + 1:]
        oci_publisher("verify", "--full")


def test_a_user_that_is_revoked_in_the_middle_ends_the_push_with_5(oci_publisher, work, image):
    with Registry(work) as registry, RegistryProxy(registry) as proxy:
        proxy.add("^PATCH", skip=2, times=1, call=lambda: registry.set_password("another"))
        oci_publisher.configure(proxy.mirror("hub", image))
        failed = oci_publisher("push", check=5)
        assert "FERRY_OCI_USERNAME and FERRY_OCI_PASSWORD" in failed.err
        assert PASSWORD not in failed.err + failed.out
        registry.set_password(PASSWORD)
        assert registry.tags(image) == []
        oci_publisher("push")
        oci_publisher("verify", "--full")


def test_a_simulated_registry_that_ignores_ranges_is_still_read(
        oci_publisher, proxy, image, reader):
    oci_publisher.configure(proxy.mirror("hub", image))
    oci_publisher("push")
    proxy.add("^GET .*/blobs/", whole=True)
    reader("repository", "add", "acme", f"oci://{proxy.host}/{image}", "--root-sha256",
           reader.pin)
    got = reader("fetch", "tiny", "--json").json
    assert got["models"][0]["fetched"] == got["models"][0]["size"]


def test_a_simulated_registry_that_answers_another_range_is_named(oci_publisher, proxy, image,
                                                                  reader):
    oci_publisher.configure(proxy.mirror("hub", image))
    oci_publisher("push")
    reader("repository", "add", "acme", f"oci://{proxy.host}/{image}", "--root-sha256",
           reader.pin)
    proxy.add("^GET .*/blobs/", shifted=True)
    failed = reader("fetch", "tiny", check=4)       # every source failed
    assert "wrong answer (answered with" in failed.err


def test_a_publisher_that_another_one_overtakes_ends_with_8(oci_publisher, proxy, registry, image,
                                                            work):
    """The tag is compared with the one that the run began with."""
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("push")
    other = second_publisher(oci_publisher, work, registry, image)
    oci_publisher.add_model("mine", "1M", seed=6)
    proxy.add("^POST .*uploads", times=1, call=lambda: other("push"))
    oci_publisher.configure(proxy.mirror("hub", image))
    failed = oci_publisher("push", check=8)
    assert "another publisher" in failed.err
    other("verify", "--full")


def test_a_publisher_that_is_overwritten_finds_it_by_reading_back(oci_publisher, proxy, registry,
                                                                  image, work):
    """A registry has no compare-and-swap: both write, and the first one sees that it lost."""
    oci_publisher.configure(registry.mirror("hub", image))
    oci_publisher("push")
    other = second_publisher(oci_publisher, work, registry, image)
    oci_publisher.add_model("mine", "1M", seed=6)
    tag, held, go = "^PUT .*/manifests/ferry-metadata", threading.Event(), threading.Event()
    with RegistryProxy(registry) as second:
        second.add(tag, times=1, call=lambda: (held.set(), go.wait(PATIENCE)))
        other.configure(second.mirror("hub", image))
        process = other.ferry.start("push", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(held.is_set, process)
        proxy.add(tag, times=1, after=lambda: (go.set(), process.wait(PATIENCE)))
        oci_publisher.configure(proxy.mirror("hub", image))
        failed = oci_publisher("push", check=8)
        assert process.returncode == 0
    assert "another publisher" in failed.err


def second_publisher(oci_publisher, work, registry, image):
    """Has the same keys and the same release, and a newer one."""
    home = work / "second"
    home.mkdir()
    for name in ("repository", "keys"):
        shutil.copytree(oci_publisher.dir / name, home / name)
    made = Publisher(Ferry(home))
    made.ferry.env.update(oci_publisher.ferry.env)
    made.configure(registry.mirror("hub", image))
    made.add_model("theirs", "1M", seed=7)
    made.add_model("theirs-too", "1M", seed=8)
    return made


def test_an_object_over_the_limit_is_named_before_anything_is_sent(oci_publisher, proxy, image):
    oci_publisher.configure(proxy.mirror("hub", image, **{"max-object": "1M"}))
    failed = oci_publisher("push", check=2)
    assert "tiny" in failed.err
    assert proxy.of("^PUT") == []


def test_settings_of_a_registry_are_checked(oci_publisher):
    for section, says in (
            ("[mirror.x]\nkind = oci\n", "needs 'image'"),
            ("[mirror.x]\nkind = oci\nimage = ghcr.io/Upper/case\n", "lower-case letters"),
            ("[mirror.x]\nkind = oci\nimage = ghcr.io/a:tag\n", "a tag or digest"),
            ("[mirror.x]\nkind = oci\nimage = ghcr.io/a\nformats = tar\n", "unknown format 'tar'"),
            ("[mirror.x]\nkind = oci\nimage = ghcr.io/a\nmount-from = B\n", "not a name")):
        oci_publisher.configure(section)
        failed = oci_publisher("push", check=2)
        assert says in failed.err


def test_mirror_probe_says_what_the_registry_can(oci_publisher, registry, token_registry, image):
    oci_publisher.configure(token_registry.mirror("hub", image))
    oci_publisher("mirror", "probe", "--mirror", "hub", "--json")
    text = oci_publisher("mirror", "probe", "--mirror", "hub").out
    assert "an upload that was interrupted continues" in text
    oci_publisher.configure(registry.mirror("hub", image))
    private = oci_publisher("mirror", "probe", "--mirror", "hub", check=5)
    assert "make it public at the registry" in private.out + private.err
