/*
 * A whole refresh and a search, past the signatures: the input is what "signed" holds of
 * root 2, timestamp, snapshot, targets and delegated roles, a blank line between them,
 * and all of it is signed here with a key that every role lists.
 */
#include "catalog/sign/privkey.h"
#include "catalog/tuf/search.h"
#include "catalog/tuf/trusted.h"
#include "util/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARTS 8

struct input {
	struct privkey *key;
	struct buf parts[PARTS];        /* envelopes */
	struct tuf_trusted trusted;
	size_t next;
};

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

static int load(void *ctx, const char *name, const struct tuf_metadata *parent,
		const struct tuf_metadata **out, struct err *e)
{
	struct input *in = ctx;
	int rc = tuf_trusted_known(&in->trusted, name, parent, out, e);
	if (rc < 0 || *out)
		return rc;
	if (in->next == PARTS)
		return err_set(e, ERR_NOT_FOUND, "no more");
	const struct buf *raw = &in->parts[in->next++];
	return tuf_trusted_targets(&in->trusted, buf_str(raw), raw->len, name, name, parent, out,
				   e);
}

static void run(struct input *in)
{
	struct tuf_trusted *t = &in->trusted;
	const struct buf *p = in->parts;
	const struct tuf_metadata *top;
	const json_t *target;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf first = { 0 };
	bool flag;
	add_part(in, 0, root, sizeof root - 1);
	first = in->parts[0];
	if (tuf_trusted_root_first(t, buf_str(&first), first.len, "root", &e) < 0)
		abort();
	in->parts[0] = (struct buf){ 0 };
	if (tuf_trusted_root_next(t, buf_str(&p[1]), p[1].len, "root", &flag, &e) < 0)
		err_clear(&e);
	if (tuf_trusted_root_final(t, &e) < 0 ||
	    tuf_trusted_timestamp(t, buf_str(&p[2]), p[2].len, "timestamp", false, &flag, &e) < 0 ||
	    tuf_trusted_snapshot(t, buf_str(&p[3]), p[3].len, "snapshot", false, &flag, &e) < 0 ||
	    tuf_trusted_targets(t, buf_str(&p[4]), p[4].len, "targets", "targets", t->root, &top,
				&e) < 0)
		return;
	in->next = 5;
	if (tuf_search(top, "a/b", 32, load, in, &target, &e) < 0 && !err_is(&e, ERR_NOT_FOUND) &&
	    !err_is(&e, ERR_INTEGRITY))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .key = the_key(), .trusted.now_s = 1800000000 };
	for (size_t i = 1; i < PARTS; i++) {
		const uint8_t *end = memmem(data, size, "\n\n", 2);
		size_t len = end ? (size_t)(end - data) : size;
		add_part(&in, i, data, len);
		data += end ? len + 2 : len;
		size -= end ? len + 2 : len;
	}
	run(&in);
	tuf_trusted_release(&in.trusted);
	for (size_t i = 0; i < PARTS; i++)
		buf_release(&in.parts[i]);
	return 0;
}
