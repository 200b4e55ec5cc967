/* Whose root is it, when a mirror's metadata does not verify with the one that was given? */
#include "fetch/remote_add_internal.h"
#include "tuf/claim.h"
#include "tuf/name.h"
#include "util/mem.h"

#include <string.h>

#define DEADLINE_MS 20000

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
	const struct mirror_env env = { .cancel = options->cancel, .clock = options->clock };
	uint64_t version = tuf_claim_version(buf_str(root), root->len);
	CLEANUP(mem_free_ptr) char *name = tuf_name_file("root", version);
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	CLEANUP(buf_release) struct buf there = BUF_INIT(root->max);
	struct err ignored = ERR_INIT;
	struct digest theirs, ours;
	if (!version || mirror_open_url(options->kinds, &env, what->name, url, &m, &ignored) < 0 ||
	    mirror_get_small(m, key, DEADLINE_MS, &there, &ignored) < 0)
		return -(int)e->class;
	sha256_of(buf_str(&there), there.len, &theirs);
	sha256_of(buf_str(root), root->len, &ours);
	return digest_equal(&theirs, &ours) ? -(int)e->class
					    : other_root(url, name, &theirs, what->root, &ours, e);
}

int remote_add_explain(const struct remote_add *what, const struct str_list *urls,
		       const struct buf *root, const struct remote_options *options, struct err *e)
{
	if (err_is(e, ERR_INTEGRITY) && what->root && urls->count)
		return compare_root(what, urls->at[0], root, options, e);
	return -(int)e->class;
}
