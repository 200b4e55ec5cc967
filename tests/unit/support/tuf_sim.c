#include "tuf_sim.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

static const char *const tops[] = { "root", "timestamp", "snapshot", "targets" };

json_t *sim_body(const struct sim *s, const char *role)
{
	json_t *const all[] = { s->root, s->timestamp, s->snapshot, s->targets };
	for (size_t i = 0; i < 4; i++)
		if (strcmp(role, tops[i]) == 0)
			return all[i];
	return json_object_get(s->roles, role);
}

uint64_t sim_version(const struct sim *s, const char *role)
{
	return (uint64_t)json_integer_value(json_object_get(sim_body(s, role), "version"));
}

void sim_bump(struct sim *s, const char *role)
{
	json_put_u64(sim_body(s, role), "version", sim_version(s, role) + 1);
}

void sim_expires(struct sim *s, const char *role, int64_t time_s)
{
	char text[TIME_TEXT];
	format_time(text, time_s);
	json_put_string(sim_body(s, role), "expires", text);
}

/* -- files ----------------------------------------------------------------------------- */

struct sim_file *sim_file(const struct sim *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->files[i].name, name) == 0)
			return &s->files[i];
	return NULL;
}

void sim_put(struct sim *s, const char *name, const void *data, size_t len)
{
	struct sim_file *f = sim_file(s, name);
	if (!f) {
		s->files = mem_grow(s->files, s->count, &s->cap, sizeof *s->files);
		f = &s->files[s->count++];
		*f = (struct sim_file){ .name = mem_strdup(name) };
	}
	free(f->data);
	f->data = mem_strndup(data, len);
	f->len = len;
}

void sim_put_text(struct sim *s, const char *name, const char *text)
{
	sim_put(s, name, text, strlen(text));
}

void sim_remove(struct sim *s, const char *name)
{
	struct sim_file *f = sim_file(s, name);
	assert_non_null(f);
	free(f->name);
	free(f->data);
	*f = s->files[--s->count];
}

/* -- signing --------------------------------------------------------------------------- */

json_t *sim_key(const struct sim *s, int i)
{
	return privkey_public(s->keys[i])->json;
}

const char *sim_keyid(const struct sim *s, int i)
{
	return privkey_public(s->keys[i])->id;
}

json_t *sim_envelope(const struct sim *s, const json_t *body, const int *keys, size_t count)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(16 * MIB);
	json_t *envelope = json_object(), *signatures = json_array();
	assert_ok(json_canonical(body, &text, &e), &e);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_release) struct buf sig = BUF_INIT(4096);
		json_t *entry = json_object();
		assert_ok(privkey_sign(s->keys[keys[i]], text.data, text.len, &sig, &e), &e);
		json_put_string(entry, "keyid", sim_keyid(s, keys[i]));
		json_put_hex(entry, "sig", sig.data, sig.len);
		json_push(signatures, entry);
	}
	json_put(envelope, "signatures", signatures);
	json_put(envelope, "signed", json_deep_copy(body));
	return envelope;
}

void sim_serve(struct sim *s, const char *role, const json_t *envelope)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(16 * MIB);
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(role, "");
	CLEANUP(mem_free_ptr) char *plain = mem_printf("%s.json", encoded);
	CLEANUP(mem_free_ptr) char *versioned =
		mem_printf("%lld.%s",
			   (long long)json_integer_value(
				   json_object_get(json_object_get(envelope, "signed"), "version")),
			   plain);
	assert_ok(json_pretty(envelope, &text, &e), &e);
	bool consistent = json_is_true(json_object_get(s->root, "consistent_snapshot"));
	if (strcmp(role, "timestamp") == 0 || (!consistent && strcmp(role, "root") != 0))
		sim_put(s, plain, text.data, text.len);
	else
		sim_put(s, versioned, text.data, text.len);
}

void sim_publish_with(struct sim *s, const char *role, const int *keys, size_t count)
{
	CLEANUP(json_release) json_t *envelope = sim_envelope(s, sim_body(s, role), keys, count);
	sim_serve(s, role, envelope);
}

void sim_publish(struct sim *s, const char *role)
{
	int keys[SIM_KEYS];
	size_t i;
	json_t *value, *list = json_object_get(s->signers, role);
	json_array_foreach (list, i, value)
		keys[i] = (int)json_integer_value(value);
	sim_publish_with(s, role, keys, json_array_size(list));
}

/* What is served of a role now, for hashes and lengths. */
static const struct sim_file *served(const struct sim *s, const char *role)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(role, "");
	CLEANUP(mem_free_ptr) char *plain = mem_printf("%s.json", encoded);
	CLEANUP(mem_free_ptr) char *versioned =
		mem_printf("%llu.%s", (unsigned long long)sim_version(s, role), plain);
	const struct sim_file *f = sim_file(s, versioned);
	return f ? f : sim_file(s, plain);
}

static void list_in(struct sim *s, json_t *meta, const char *role)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.json", role);
	json_t *entry = json_object();
	json_put_u64(entry, "version", sim_version(s, role));
	if (s->hashes) {
		const struct sim_file *f = served(s, role);
		struct digest d;
		json_t *hashes = json_object();
		sha256_of(f->data, f->len, &d);
		json_put_hex(hashes, "sha256", d.bytes, sizeof d.bytes);
		json_put(entry, "hashes", hashes);
		json_put_u64(entry, "length", f->len);
	}
	json_put(meta, name, entry);
}

void sim_update_timestamp(struct sim *s)
{
	sim_bump(s, "timestamp");
	list_in(s, json_object_get(s->timestamp, "meta"), "snapshot");
	sim_publish(s, "timestamp");
}

void sim_update_snapshot(struct sim *s)
{
	json_t *meta = json_object_get(s->snapshot, "meta"), *value;
	const char *role;
	sim_bump(s, "snapshot");
	list_in(s, meta, "targets");
	json_object_foreach (s->roles, role, value)
		list_in(s, meta, role);
	sim_publish(s, "snapshot");
	sim_update_timestamp(s);
}

void sim_update(struct sim *s, const char *role)
{
	sim_bump(s, role);
	sim_publish(s, role);
	sim_update_snapshot(s);
}

void sim_update_root(struct sim *s)
{
	sim_bump(s, "root");
	sim_publish(s, "root");
}

/* -- content --------------------------------------------------------------------------- */

static json_t *key_list(const int *keys, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++)
		json_push(list, json_integer(keys[i]));
	return list;
}

void sim_role_keys(struct sim *s, const char *role, const int *keys, size_t count,
		   unsigned threshold)
{
	json_t *entry = json_object(), *ids = json_array();
	for (size_t i = 0; i < count; i++) {
		json_put(json_object_get(s->root, "keys"), sim_keyid(s, keys[i]),
			 json_deep_copy(sim_key(s, keys[i])));
		json_push(ids, json_string(sim_keyid(s, keys[i])));
	}
	json_put(entry, "keyids", ids);
	json_put_u64(entry, "threshold", threshold);
	json_put(json_object_get(s->root, "roles"), role, entry);
	json_put(s->signers, role, key_list(keys, count));
}

static json_t *new_body(const char *type)
{
	json_t *body = json_object();
	json_put_string(body, "_type", type);
	json_put_string(body, "spec_version", "1.0.31");
	json_put_u64(body, "version", 1);
	json_put_string(body, "expires", "2037-01-01T00:00:00Z");
	return body;
}

void sim_delegate(struct sim *s, const char *parent, const char *name, const char *pattern, int key,
		  bool terminating)
{
	json_t *body = sim_body(s, parent), *delegations = json_object_get(body, "delegations");
	if (!delegations) {
		delegations = json_object();
		json_put(delegations, "keys", json_object());
		json_put(delegations, "roles", json_array());
		json_put(body, "delegations", delegations);
	}
	json_put(json_object_get(delegations, "keys"), sim_keyid(s, key),
		 json_deep_copy(sim_key(s, key)));
	json_push(json_object_get(delegations, "roles"),
		  json_pack("{s:s, s:[s], s:i, s:b, s:[s]}", "name", name, "keyids",
			    sim_keyid(s, key), "threshold", 1, "terminating", (int)terminating,
			    "paths", pattern));
	if (!sim_body(s, name)) {
		json_t *child = new_body("targets");
		json_put(child, "targets", json_object());
		json_put_u64(child, "version", 0);
		json_put(s->roles, name, child);
		json_put(s->signers, name, key_list(&key, 1));
		sim_bump(s, name);
		sim_publish(s, name);
	}
}

void sim_target(struct sim *s, const char *role, const char *path, const char *text)
{
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of(text, strlen(text), &d);
	json_put(json_object_get(sim_body(s, role), "targets"), path,
		 json_pack("{s:i, s:{s:s}}", "length", (int)strlen(text), "hashes", "sha256",
			   digest_hex(hex, &d)));
}

static void init_client(struct sim *s)
{
	struct err e = ERR_INIT;
	const struct sim_file *root = sim_file(s, "1.root.json");
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
}

struct sim *sim_new(void)
{
	struct sim *s = NEW(struct sim);
	struct err e = ERR_INIT;
	s->dir = scratch_new();
	s->trust = path_join(s->dir, "trust");
	s->now_s = SIM_NOW;
	for (int i = 0; i < SIM_KEYS; i++)
		assert_ok(privkey_new(i % 2 ? PRIVKEY_ECDSA_P256 : PRIVKEY_ED25519, &s->keys[i],
				      &e),
			  &e);
	s->root = new_body("root");
	s->timestamp = new_body("timestamp");
	s->snapshot = new_body("snapshot");
	s->targets = new_body("targets");
	s->signers = json_object();
	s->roles = json_object();
	json_put_bool(s->root, "consistent_snapshot", true);
	json_put(s->root, "keys", json_object());
	json_put(s->root, "roles", json_object());
	for (int i = 0; i < 4; i++)
		sim_role_keys(s, tops[i], &i, 1, 1);
	json_put(s->timestamp, "meta", json_object());
	json_put(s->snapshot, "meta", json_object());
	json_put(s->targets, "targets", json_object());
	sim_publish(s, "root");
	sim_publish(s, "targets");
	json_put_u64(s->snapshot, "version", 0);
	json_put_u64(s->timestamp, "version", 0);
	sim_update_snapshot(s);
	init_client(s);
	return s;
}

void sim_free(struct sim *s)
{
	for (int i = 0; i < SIM_KEYS; i++)
		privkey_free(s->keys[i]);
	json_decref(s->root);
	json_decref(s->timestamp);
	json_decref(s->snapshot);
	json_decref(s->targets);
	json_decref(s->signers);
	json_decref(s->roles);
	for (size_t i = 0; i < s->count; i++) {
		free(s->files[i].name);
		free(s->files[i].data);
	}
	free(s->files);
	str_list_release(&s->requests);
	scratch_free(s->dir);
	free(s->trust);
	free(s);
}

/* -- the client ------------------------------------------------------------------------ */

static int get(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct sim *s = ctx;
	str_list_add(&s->requests, name);
	if (s->endless && strcmp(s->endless, name) == 0) {
		while (!out->overflow) {
			buf_adds(out, "          ");
			s->served += 10;
		}
		return buf_ok(out, name, e);
	}
	const struct sim_file *f = sim_file(s, name);
	if (!f)
		return err_set(e, ERR_NOT_FOUND, "%s: not found", name);
	buf_add(out, f->data, f->len);
	return buf_ok(out, name, e);
}

static bool rejected(void *ctx, const char *name, const struct err *why)
{
	struct sim *s = ctx;
	return s->rejected && s->rejected(s, name, why);
}

struct tuf_transport sim_transport(struct sim *s)
{
	return (struct tuf_transport){ .get = get, .rejected = rejected, .ctx = s };
}

int sim_open(struct sim *s, struct tuf_client **out, struct err *e)
{
	struct tuf_transport transport = sim_transport(s);
	return tuf_client_open(s->trust, &transport, NULL, s->now_s, out, e);
}

static int open_and_refresh(struct sim *s, struct tuf_client **out, struct err *e)
{
	str_list_release(&s->requests);
	int rc = sim_open(s, out, e);
	if (rc < 0)
		return rc;
	rc = tuf_client_refresh(*out, e);
	if (rc < 0)
		tuf_client_close(*out);
	return rc;
}

int sim_refresh(struct sim *s, struct err *e)
{
	struct tuf_client *c;
	int rc = open_and_refresh(s, &c, e);
	if (rc == 0)
		tuf_client_close(c);
	return rc;
}

int sim_find(struct sim *s, const char *path, struct tuf_target *out, struct err *e)
{
	struct tuf_client *c;
	int rc = open_and_refresh(s, &c, e);
	if (rc < 0)
		return rc;
	rc = tuf_client_target(c, path, out, e);
	tuf_client_close(c);
	return rc;
}

uint64_t sim_trusted(const struct sim *s, const char *role)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(role, "");
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s.json", s->trust, encoded);
	CLEANUP(json_release) json_t *value = NULL;
	struct json_limits limits = { .max_bytes = 16 * MIB };
	struct err e = ERR_INIT;
	if (!file_exists(path))
		return 0;
	assert_ok(json_parse_file(path, &limits, &value, &e), &e);
	return (uint64_t)json_integer_value(json_object_get(json_object_get(value, "signed"),
							    "version"));
}

const char *sim_requests(struct sim *s)
{
	static char text[4096];
	text[0] = '\0';
	for (size_t i = 0; i < s->requests.count; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", s->requests.at[i]);
	}
	return text;
}

void sim_refused_at(struct sim *s, const char *text, const char *file, int line)
{
	struct err e = ERR_INIT;
	int rc = sim_refresh(s, &e);
	if (rc == -ERR_INTEGRITY && strstr(e.text, text))
		return;
	print_error("wanted a refusal with \"%s\", got %d: %s\n", text, rc, e.text);
	_fail(file, line);
}
