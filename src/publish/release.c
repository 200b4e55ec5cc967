#include "publish/release.h"

#include "publish/conflict.h"
#include "tuf/claim.h"
#include "util/mem.h"

#include <string.h>

static void compare(const struct tree *ours, const struct buf *theirs, struct release *out)
{
	struct err ignored = ERR_INIT;
	const struct buf *bytes = tree_small(ours, ours->timestamp);
	const char *data = buf_str(theirs);
	size_t len = theirs->len;
	struct tuf_claim claim = { 0 };
	if (tuf_claim_parse(data, len, RELEASE_TIMESTAMP, &claim, &ignored) < 0) {
		out->state = RELEASE_DAMAGED;
		return;
	}
	out->version = claim.version;
	out->expires_s = claim.expires_s;
	if (out->version < ours->version)
		out->state = conflict_is_forked(ours, data, len) ? RELEASE_OTHER : RELEASE_OLDER;
	else if (out->version > ours->version)
		out->state = RELEASE_NEWER;
	else if (len == bytes->len && memcmp(data, bytes->data, len) == 0)
		out->state = RELEASE_SAME;
	else
		out->state = conflict_says_the_same(bytes, theirs) ? RELEASE_DAMAGED
								   : RELEASE_OTHER;
}

/* Is it another publisher's, or damaged? If the mirror has a root that we do not have, damage and
 * a change of keys look the same: assume another publisher. */
static int judge(struct mirror *m, const struct tree *ours, const char *key,
		 const struct buf *bytes, bool *genuine, struct err *e)
{
	*genuine = true;
	if (conflict_is_authentic(ours, key, buf_str(bytes), bytes->len))
		return 0;
	CLEANUP(mem_free_ptr) char *next = conflict_next_root(ours);
	int rc = mirror_stat_key(m, next, NULL, e);
	if (rc != -ERR_NOT_FOUND)
		return rc;
	err_clear(e);
	*genuine = false;
	return strcmp(key, RELEASE_TIMESTAMP) == 0
		       ? conflict_is_foreign(m, ours, buf_str(bytes), bytes->len, genuine, e)
		       : 0;
}

static int settle(struct mirror *m, const struct tree *ours, const struct buf *bytes,
		  struct release *r, struct err *e)
{
	bool genuine;
	if (r->state != RELEASE_NEWER && r->state != RELEASE_OTHER)
		return 0;
	int rc = judge(m, ours, RELEASE_TIMESTAMP, bytes, &genuine, e);
	if (rc == 0 && !genuine)
		r->state = RELEASE_DAMAGED;
	return rc;
}

int release_of(struct mirror *m, const struct tree *ours, struct release *out, struct err *e)
{
	struct release r = { .state = RELEASE_NONE };
	struct mirror_stat st = { 0 };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(RELEASE_MAX_BYTES);
	/* Read the etag first: if the file changes in between, the condition of a later put
	 * fails, as it should. */
	int rc = mirror_stat_key(m, RELEASE_TIMESTAMP, &st, e);
	if (rc == 0)
		rc = mirror_get_small(m, RELEASE_TIMESTAMP, 0, &bytes, e);
	/* An answer that is no mirror's, or not from the right server, is not its release. */
	if (rc == -ERR_NOT_FOUND || (rc == -ERR_INTEGRITY && !e->cause)) {
		err_clear(e);
		r.state = rc == -ERR_NOT_FOUND ? RELEASE_NONE : RELEASE_DAMAGED;
	} else if (rc < 0) {
		return rc;
	} else {
		compare(ours, &bytes, &r);
		if ((rc = settle(m, ours, &bytes, &r, e)) < 0)
			return rc;
	}
	if (r.state != RELEASE_NONE)
		memcpy(r.etag, st.etag, sizeof r.etag);
	*out = r;
	return 0;
}

int release_is_elsewhere(struct mirror *m, const struct tree *ours, bool *out, struct err *e)
{
	static const char key[] = "metadata/1.root.json";
	CLEANUP(buf_release) struct buf theirs = BUF_INIT(RELEASE_MAX_METADATA);
	const struct repository_file *f = tree_find(ours, key);
	*out = false;
	int rc = f ? mirror_get_small(m, key, 0, &theirs, e) : 0;
	if (rc == -ERR_NOT_FOUND || rc == -ERR_INTEGRITY) {
		err_clear(e);
		return 0;
	}
	if (rc < 0 || !f || conflict_says_the_same(tree_small(ours, f), &theirs))
		return rc;
	*out = conflict_is_authentic(ours, key, buf_str(&theirs), theirs.len);
	return 0;
}

static char *ours_name(const struct tree *ours)
{
	return ours->source ? mem_printf("on mirror %s", ours->source->id)
			    : mem_strdup("in this repository");
}

int release_check(const struct release *r, const struct tree *ours, struct err *e)
{
	unsigned long long theirs = (unsigned long long)r->version;
	unsigned long long own = (unsigned long long)ours->version;
	CLEANUP(mem_free_ptr) char *here = ours_name(ours);
	if (r->state == RELEASE_NEWER)
		err_set(e, ERR_CONFLICT,
			"timestamp.json is newer there (version %llu) than %s (version %llu)",
			theirs, here, own);
	else if (r->state == RELEASE_OTHER && theirs == own)
		err_set(e, ERR_CONFLICT,
			"another publisher's timestamp.json is there, with the same version %llu",
			theirs);
	else if (r->state == RELEASE_OTHER)
		err_set(e, ERR_CONFLICT,
			"another publisher's timestamp.json is there, version %llu, which was "
			"never %s",
			theirs, here);
	else
		return 0;
	if (ours->source)
		return err_hint(e,
				"a release is never replaced by an older one: update mirror %s "
				"first",
				ours->source->id);
	return err_hint(e, "another publisher was faster, or this copy of the repository is "
			   "outdated: update it, sign again, then push");
}

int release_check_versioned(struct mirror *m, const struct tree *ours,
			    const struct repository_file *f, struct err *e)
{
	CLEANUP(buf_release) struct buf theirs = BUF_INIT(RELEASE_MAX_METADATA);
	struct err why = ERR_INIT;
	struct tuf_claim claim;
	int rc = mirror_get_small(m, f->key, 0, &theirs, e);
	if (rc == -ERR_INTEGRITY || rc == -ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (rc < 0)
		return rc;
	if (tuf_claim_parse(buf_str(&theirs), theirs.len, f->key, &claim, &why) < 0 ||
	    conflict_says_the_same(tree_small(ours, f), &theirs))
		return 0;
	bool genuine;
	if ((rc = judge(m, ours, f->key, &theirs, &genuine, e)) < 0 || !genuine)
		return rc;
	bool root = str_ends(f->key, "/1.root.json");
	CLEANUP(mem_free_ptr) char *here = ours->source ? ours_name(ours)
							: mem_printf("in %s", ours->dir);
	err_set(e, ERR_CONFLICT, "mirror %s: %s differs from the one %s", m->id, f->key, here);
	return err_hint(e,
			root ? "this mirror holds another repository: use a separate place for each"
			     : "another publisher has signed the same version: update this copy of "
			       "the repository, sign again, then push");
}

bool release_has_version(const struct release *r)
{
	return r->state != RELEASE_NONE && r->state != RELEASE_DAMAGED;
}

const char *release_state_name(enum release_state s)
{
	static const char *const names[] = { "none", "damaged", "older", "same", "newer", "other" };
	return names[s];
}
