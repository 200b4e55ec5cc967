/* Whose root is it, when a mirror's metadata does not verify with the one that was given? */
#include "fetch/remote_add_internal.h"
#include "tuf/claim.h"
#include "tuf/name.h"
#include "util/mem.h"

#include <string.h>

#define DEADLINE_MS 20000
#define LATER_ROOTS 32

static int other_root(const char *url, const char *name, const struct digest *there,
		      const char *given, const struct digest *have, struct err *e)
{
	char theirs[DIGEST_HEX], ours[DIGEST_HEX];
	err_clear(e);
	err_set(e, ERR_INTEGRITY,
		"%s: the %s there has the SHA-256 %s, but the root that was given, %s, has %s", url,
		name, digest_hex(theirs, there), given, digest_hex(ours, have));
	return err_hint(e, "one of the two is another repository's or forged: compare both with "
			   "the SHA-256 that the publisher announces");
}

/* The root of the same version on the first mirror that has one. */
static int compare_root(const struct remote_add *what, const char *url, const struct buf *root,
			const struct remote_options *options, struct err *e)
{
	const struct mirror_env env = {
		.cancel = options->cancel,
		.clock = options->clock,
		.access = what->access,
	};
	uint64_t version = tuf_claim_version(buf_str(root), root->len);
	CLEANUP(mem_free_ptr) char *name = tuf_name_file("root", version);
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	CLEANUP(buf_release) struct buf there = BUF_INIT(root->max);
	struct err ignored = ERR_INIT;
	struct digest theirs, ours;
	if (!version || mirror_open_url(options->kinds, &env, "new", url, &m, &ignored) < 0 ||
	    mirror_get_small(m, key, DEADLINE_MS, &there, &ignored) < 0)
		return -(int)e->class;
	sha256_of(buf_str(&there), there.len, &theirs);
	sha256_of(buf_str(root), root->len, &ours);
	return digest_equal(&theirs, &ours) ? -(int)e->class
					    : other_root(url, name, &theirs, what->root, &ours, e);
}

/* Is the digest that of a later root? Then the publisher gave the wrong one, and nobody cheats. */
static int later_root(const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) char *text = mem_strdup(e->text);
	err_clear(e);
	err_set(e, ERR_INTEGRITY, "%s; the given one is that of %s", text, name);
	return err_hint(e, "trust begins with 1.root.json: ask the publisher for the SHA-256 of "
			   "that file");
}

static int find_digest(struct mirror *m, const struct digest *want, struct err *e)
{
	for (uint64_t version = 1; version <= LATER_ROOTS; version++) {
		CLEANUP(buf_release) struct buf root = BUF_INIT(tuf_limits_default.root);
		CLEANUP(mem_free_ptr) char *name = tuf_name_file("root", version);
		CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
		struct err ignored = ERR_INIT;
		struct digest d;
		if (mirror_get_small(m, key, DEADLINE_MS, &root, &ignored) < 0)
			break;
		sha256_of(buf_str(&root), root.len, &d);
		if (digest_equal(&d, want))
			return version > 1 ? later_root(name, e) : -(int)e->class;
	}
	return -(int)e->class;
}

static int look_for_digest(const struct remote_add *what, const char *url,
			   const struct digest *want, const struct remote_options *options,
			   struct err *e)
{
	const struct mirror_env env = {
		.cancel = options->cancel,
		.clock = options->clock,
		.access = what->access,
	};
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	struct err ignored = ERR_INIT;
	if (mirror_open_url(options->kinds, &env, "new", url, &m, &ignored) < 0)
		return -(int)e->class;
	return find_digest(m, want, e);
}

int remote_add_explain(const struct remote_add *what, const struct str_list *urls,
		       const struct buf *root, const struct remote_options *options, struct err *e)
{
	struct digest want;
	if (!err_is(e, ERR_INTEGRITY) || !urls->count)
		return -(int)e->class;
	if (what->root)
		return compare_root(what, urls->at[0], root, options, e);
	if (digest_parse(&want, what->root_sha256))
		return look_for_digest(what, urls->at[0], &want, options, e);
	return -(int)e->class;
}
