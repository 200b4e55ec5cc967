/*
 * The client, from refresh to look-up, past the signatures: the input is what "signed"
 * holds of root 2, timestamp, snapshot, targets and delegated roles, a blank line between
 * them, and all of it is signed here with a key that every role lists. What is no JSON is
 * not there.
 *
 * What must hold: only bytes that were served are stored; what one refresh trusts, the
 * next one and a reading without network take from the folder.
 */
#include "sign/privkey.h"
#include "tuf/client.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARTS 8

struct input {
	struct privkey *key;
	struct buf parts[PARTS]; /* envelopes: root 1 and 2, timestamp, snapshot, … */
	char *names[PARTS];      /* under which they were served; NULL: not yet */
	size_t next;             /* delegated role */
	const char *dir;
};

static char *dir;

static void remove_folder(void)
{
	file_remove_dir_if_empty(dir);
	free(dir);
}

static const char *folder(void)
{
	const char *tmp = getenv("TMPDIR");
	if (dir)
		return dir;
	dir = mem_printf("%s/fuzz-tuf-XXXXXX", tmp ? tmp : P_tmpdir);
	if (!mkdtemp(dir) || atexit(remove_folder) != 0)
		abort();
	return dir;
}

static struct privkey *the_key(void)
{
	static struct privkey *key;
	struct err e = ERR_INIT;
	if (!key && privkey_new(PRIVKEY_ED25519, &key, &e) < 0)
		abort();
	return key;
}

/* "KEY" in a body stands for the key's id. */
static void put_key(json_t *body, const struct tuf_key *key)
{
	json_t *keys = json_object_get(body, "keys");
	if (!json_is_object(keys))
		keys = json_object_get(json_object_get(body, "delegations"), "keys");
	if (json_is_object(keys))
		json_put(keys, "KEY", json_incref(key->json));
}

static void sign(const struct privkey *key, json_t *body, struct buf *out)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(1 << 20), sig = BUF_INIT(100);
	CLEANUP(json_release) json_t *envelope = json_object();
	struct err e = ERR_INIT;
	json_t *list = json_array(), *entry = json_object();
	put_key(body, privkey_public(key));
	if (json_canonical(body, &text, &e) < 0 ||
	    privkey_sign(key, text.data, text.len, &sig, &e) < 0)
		abort();
	json_put_string(entry, "keyid", "KEY");
	json_put_hex(entry, "sig", sig.data, sig.len);
	json_push(list, entry);
	json_put(envelope, "signatures", list);
	json_put(envelope, "signed", json_incref(body));
	if (json_compact(envelope, out, &e) < 0)
		abort();
}

static void add_part(struct input *in, size_t i, const void *data, size_t len)
{
	struct json_limits limits = { .max_bytes = 1 << 16 };
	CLEANUP(json_release) json_t *body = NULL;
	struct err e = ERR_INIT;
	buf_init(&in->parts[i], 1 << 20);
	if (json_parse(data, len, &limits, "part", &body, &e) == 0)
		sign(in->key, body, &in->parts[i]);
}

static const char root[] =
	"{\"_type\":\"root\",\"spec_version\":\"1.0\",\"version\":1,"
	"\"expires\":\"2037-01-01T00:00:00Z\",\"consistent_snapshot\":true,\"keys\":{},\"roles\":{"
	"\"root\":{\"keyids\":[\"KEY\"],\"threshold\":1},"
	"\"timestamp\":{\"keyids\":[\"KEY\"],\"threshold\":1},"
	"\"snapshot\":{\"keyids\":[\"KEY\"],\"threshold\":1},"
	"\"targets\":{\"keyids\":[\"KEY\"],\"threshold\":1}}}";

static void must(int rc, const struct err *e)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s\n", e->text);
	abort();
}

/* A failure that a repository may cause. */
static bool failed(int rc, struct err *e)
{
	if (rc == 0)
		return false;
	if (!err_is(e, ERR_INTEGRITY) && !err_is(e, ERR_NOT_FOUND))
		must(rc, e);
	err_clear(e);
	return true;
}

static size_t part_for(struct input *in, const char *name)
{
	static const char *const kinds[] = { "", "2.root.json", "timestamp.json", "snapshot.json",
					     "targets.json" };
	for (size_t i = 1; i < PARTS; i++)
		if (in->names[i] && strcmp(in->names[i], name) == 0)
			return i;
	const char *bare = name + strspn(name, "0123456789");
	bare = bare != name && *bare == '.' ? bare + 1 : name;
	for (size_t i = 1; i < ARRAY_LEN(kinds); i++)
		if (!in->names[i] && (strcmp(bare, kinds[i]) == 0 || strcmp(name, kinds[i]) == 0))
			return i;
	return str_ends(name, ".root.json") ? PARTS : in->next++;
}

static int get(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct input *in = ctx;
	if (strchr(name, '/'))
		abort();
	size_t i = part_for(in, name);
	if (i >= PARTS || in->parts[i].len == 0)
		return err_set(e, ERR_NOT_FOUND, "no more");
	if (!in->names[i])
		in->names[i] = mem_strdup(name);
	buf_add(out, buf_str(&in->parts[i]), in->parts[i].len);
	return buf_ok(out, name, e);
}

static bool was_served(const struct input *in, const struct buf *raw)
{
	for (size_t i = 0; i < PARTS; i++)
		if (raw->len == in->parts[i].len &&
		    memcmp(buf_str(raw), buf_str(&in->parts[i]), raw->len) == 0)
			return true;
	return false;
}

static void look_at_folder(const struct input *in)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err e = ERR_INIT;
	must(file_list_dir(in->dir, &names, &e), &e);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(in->dir, names.at[i]);
		CLEANUP(buf_release) struct buf raw = BUF_INIT(1 << 20);
		if (!str_ends(names.at[i], ".json"))
			continue;
		must(file_read_all(path, &raw, &e), &e);
		if (!was_served(in, &raw))
			abort();
	}
}

static void clear_folder(void)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err e = ERR_INIT;
	must(file_list_dir(dir, &names, &e), &e);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		must(file_remove(path, &e), &e);
	}
}

/* Is everything that the refresh needs trusted? */
static bool refresh(struct input *in)
{
	CLEANUP_PTR(tuf_client_close) struct tuf_client *c = NULL;
	struct tuf_transport transport = { .get = get, .ctx = in };
	struct tuf_target target = { 0 };
	struct err e = ERR_INIT;
	must(tuf_client_open(in->dir, &transport, NULL, 1800000000, &c, &e), &e);
	bool fine = !failed(tuf_client_refresh(c, &e), &e);
	if (fine && !failed(tuf_client_target(c, "a/b", &target, &e), &e))
		free(tuf_client_target_name(c, "a/b", &target));
	tuf_target_release(&target);
	return fine;
}

static void run(struct input *in)
{
	CLEANUP_PTR(tuf_client_close) struct tuf_client *c = NULL;
	const char *expired;
	struct err e = ERR_INIT;
	must(tuf_client_init(in->dir, buf_str(&in->parts[0]), in->parts[0].len, &e), &e);
	bool fine = refresh(in);
	look_at_folder(in);
	if (!fine)
		return;
	if (!refresh(in))
		abort();
	must(tuf_client_open(in->dir, NULL, NULL, 1800000000, &c, &e), &e);
	must(tuf_client_load_offline(c, &expired, &e), &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .key = the_key(), .next = 5, .dir = folder() };
	add_part(&in, 0, root, sizeof root - 1);
	for (size_t i = 1; i < PARTS; i++) {
		const uint8_t *end = memmem(data, size, "\n\n", 2);
		size_t len = end ? (size_t)(end - data) : size;
		add_part(&in, i, data, len);
		data += end ? len + 2 : len;
		size -= end ? len + 2 : len;
	}
	run(&in);
	clear_folder();
	for (size_t i = 0; i < PARTS; i++) {
		buf_release(&in.parts[i]);
		free(in.names[i]);
	}
	return 0;
}
