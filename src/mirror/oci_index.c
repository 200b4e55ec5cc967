#include "mirror/oci.h"
#include "oci/tag.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define TYPE_METADATA MIRROR_OCI_TYPE ".metadata.v1"
#define TYPE_LAYER "application/octet-stream"

bool mirror_oci_is_blob(const char *key, struct digest *d)
{
	return oci_digest_of_key(key, d);
}

void mirror_oci_names_free(struct mirror_oci_name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i].key);
	free(names);
}

/* -- reading -------------------------------------------------------------------------- */

/* "12.snapshot.json": what has a version in its name never changes. */
static bool is_fixed(const char *key)
{
	const char *name = path_base(key);
	size_t digits = strspn(name, "0123456789");
	return digits && name[digits] == '.';
}

/* With the lock. */
static int load(struct mirror_connection *c, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	struct digest d = { 0 };
	struct err why = ERR_INIT;
	int rc = oci_manifest_get(&s->registry, c->state, OCI_TAG_METADATA, &bytes, &d, &why);
	bool there = rc == 0;
	if (there)
		rc = oci_manifest_parse(buf_str(&bytes), bytes.len, OCI_TAG_METADATA, &m, &why);
	if (rc < 0 && rc != -ERR_NOT_FOUND) {
		*e = why;
		return rc;
	}
	oci_manifest_release(&s->index);
	s->index = m;
	m = (struct oci_manifest){ 0 };
	if (!s->loaded) {
		s->has_base = there;
		s->base = d;
	}
	s->loaded = true;
	return 0;
}

static struct mirror_oci_name *find_staged(struct mirror_oci *s, const char *key)
{
	for (size_t i = 0; i < s->staged_count; i++)
		if (strcmp(s->staged[i].key, key) == 0)
			return &s->staged[i];
	return NULL;
}

/* With the lock. */
static int find(struct mirror_connection *c, const char *key, struct digest *d, uint64_t *size,
		struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	const struct mirror_oci_name *staged = find_staged(s, key);
	const struct oci_layer *l = NULL;
	if (!staged) {
		l = s->loaded && is_fixed(key) ? oci_manifest_find(&s->index, key) : NULL;
		int rc = l ? 0 : load(c, e);
		if (rc < 0)
			return rc;
		l = oci_manifest_find(&s->index, key);
	}
	if ((staged && staged->removed) || (!staged && !l))
		return err_set(e, ERR_NOT_FOUND, "is not there");
	*d = staged ? staged->digest : l->digest;
	*size = staged ? staged->size : l->size;
	return 0;
}

int mirror_oci_find(struct mirror_connection *c, const char *key, struct digest *d, uint64_t *size,
		    struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	pthread_mutex_lock(&s->lock);
	int rc = find(c, key, d, size, e);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* -- staging -------------------------------------------------------------------------- */

/* With the lock. */
static void stage(struct mirror_oci *s, const char *key, const struct digest *d, uint64_t size)
{
	struct mirror_oci_name *n = find_staged(s, key);
	if (!n) {
		s->staged = mem_grow(s->staged, s->staged_count, &s->staged_cap, sizeof *s->staged);
		n = &s->staged[s->staged_count++];
		*n = (struct mirror_oci_name){ .key = mem_strdup(key) };
	}
	n->removed = !d;
	n->size = size;
	if (d)
		n->digest = *d;
}

void mirror_oci_stage(struct mirror_oci *s, const char *key, const struct digest *d, uint64_t size)
{
	pthread_mutex_lock(&s->lock);
	stage(s, key, d, size);
	pthread_mutex_unlock(&s->lock);
}

/* -- all names ------------------------------------------------------------------------ */

struct names {
	struct mirror_oci_name *at;
	size_t count, cap;
};

static void add_name(struct names *l, const char *key, const struct digest *d, uint64_t size,
		     int64_t time_s)
{
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = (struct mirror_oci_name){
		.key = mem_strdup(key), .digest = *d, .size = size, .time_s = time_s
	};
}

static int compare_names(const void *a, const void *b)
{
	const struct mirror_oci_name *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static bool is_among(const struct mirror_oci_name *names, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i].key, key) == 0)
			return true;
	return false;
}

/* Since when the key has these bytes. */
static int64_t time_of(const struct mirror_oci *s, const char *key, const struct digest *d,
		       int64_t now_s)
{
	const struct oci_layer *l = oci_manifest_find(&s->index, key);
	return l && l->time_s && digest_equal(&l->digest, d) ? l->time_s : now_s;
}

/* With the lock: the index with what is staged and `more`, sorted. */
static void merge(struct mirror_oci *s, const struct mirror_oci_name *more, size_t count,
		  int64_t now_s, struct names *out)
{
	for (size_t i = 0; i < s->index.count; i++) {
		const struct oci_layer *l = &s->index.layers[i];
		if (l->title && path_is_key(l->title) && !find_staged(s, l->title) &&
		    !is_among(more, count, l->title))
			add_name(out, l->title, &l->digest, l->size, l->time_s);
	}
	for (size_t i = 0; i < s->staged_count; i++)
		if (!s->staged[i].removed && !is_among(more, count, s->staged[i].key))
			add_name(out, s->staged[i].key, &s->staged[i].digest, s->staged[i].size,
				 time_of(s, s->staged[i].key, &s->staged[i].digest, now_s));
	for (size_t i = 0; i < count; i++)
		add_name(out, more[i].key, &more[i].digest, more[i].size,
			 time_of(s, more[i].key, &more[i].digest, now_s));
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, compare_names);
}

int mirror_oci_names(struct mirror_connection *c, struct mirror_oci_name **out, size_t *count,
		     struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct names all = { 0 };
	pthread_mutex_lock(&s->lock);
	int rc = load(c, e);
	if (rc == 0)
		merge(s, NULL, 0, clock_wall_s(c->mirror->env.clock), &all);
	pthread_mutex_unlock(&s->lock);
	*out = all.at;
	*count = all.count;
	return rc;
}

/* -- writing -------------------------------------------------------------------------- */

static void build(const struct mirror_oci *s, const struct names *names, uint64_t version,
		  const struct digest *empty, struct oci_manifest *m)
{
	char number[32];
	const char *old = s->index.annotations ? json_text(s->index.annotations,
							   "org.opencontainers.image.version")
					       : NULL;
	m->type = mem_strdup(OCI_TYPE_MANIFEST);
	m->artifact_type = mem_strdup(TYPE_METADATA);
	oci_manifest_set_config(m, OCI_TYPE_EMPTY, empty, strlen(MIRROR_OCI_EMPTY));
	for (size_t i = 0; i < names->count; i++) {
		oci_manifest_add(m, TYPE_LAYER, &names->at[i].digest, names->at[i].size,
				 names->at[i].key, NULL);
		m->layers[i].time_s = names->at[i].time_s;
	}
	if (!names->count) /* an artifact has at least one layer */
		oci_manifest_add(m, OCI_TYPE_EMPTY, empty, strlen(MIRROR_OCI_EMPTY), NULL, NULL);
	snprintf(number, sizeof number, "%llu", (unsigned long long)version);
	if (version || old)
		oci_manifest_annotate(m, "org.opencontainers.image.version",
				      version ? number : old);
}

static int conflict(struct err *e)
{
	err_set(e, ERR_CONFLICT, "the tag %s was written by another publisher", OCI_TAG_METADATA);
	return err_hint(e, "push again: a registry cannot make one of two publishers wait");
}

/* With the lock: is it still the one that this run began with? Or `next` already, because only the
 * answer to an earlier request was lost? */
static int check_base(struct mirror_connection *c, const struct digest *next, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct digest now;
	struct err why = ERR_INIT;
	int rc = oci_manifest_head(&s->registry, c->state, OCI_TAG_METADATA, &now, &why);
	if (rc < 0 && rc != -ERR_NOT_FOUND) {
		*e = why;
		return rc;
	}
	bool there = rc == 0;
	bool same = there == s->has_base && (!there || digest_equal(&now, &s->base));
	same = same || (there && digest_equal(&now, next));
	return same ? 0 : conflict(e);
}

/* With the lock. */
static int put_and_read_back(struct mirror_connection *c, const struct buf *bytes,
			     const struct digest *d, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct digest now;
	int rc = oci_manifest_put(&s->registry, c->state, OCI_TAG_METADATA, OCI_TYPE_MANIFEST,
				  bytes, e);
	if (rc == 0)
		rc = oci_manifest_head(&s->registry, c->state, OCI_TAG_METADATA, &now, e);
	if (rc == 0 && !digest_equal(&now, d))
		rc = conflict(e);
	return rc;
}

/* With the lock: m has been published. */
static void settle(struct mirror_oci *s, struct oci_manifest *m, const struct digest *d)
{
	oci_manifest_release(&s->index);
	s->index = *m;
	*m = (struct oci_manifest){ 0 };
	s->base = *d;
	s->has_base = true;
	mirror_oci_names_free(s->staged, s->staged_count);
	s->staged = NULL;
	s->staged_count = s->staged_cap = 0;
}

/* With the lock. */
static int write_index(struct mirror_connection *c, const struct names *names, uint64_t version,
		       bool *changed, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(2 * OCI_MANIFEST_MAX);
	struct digest empty, d;
	int rc = oci_blob_put(&s->registry, c->state, MIRROR_OCI_EMPTY, strlen(MIRROR_OCI_EMPTY),
			      &empty, e);
	if (rc < 0)
		return rc;
	build(s, names, version, &empty, &m);
	rc = oci_manifest_write(&m, &bytes, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&bytes), bytes.len, &d);
	*changed = !s->has_base || !digest_equal(&d, &s->base);
	rc = check_base(c, &d, e);
	if (rc == 0 && *changed)
		rc = put_and_read_back(c, &bytes, &d, e);
	if (rc == 0)
		settle(s, &m, &d);
	return rc;
}

int mirror_oci_index_write(struct mirror_connection *c, const struct mirror_oci_name *more,
			   size_t count, uint64_t version, bool *changed, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct names names = { 0 };
	*changed = false;
	pthread_mutex_lock(&s->lock);
	int rc = s->loaded ? 0 : load(c, e);
	if (rc == 0) {
		merge(s, more, count, clock_wall_s(c->mirror->env.clock), &names);
		rc = write_index(c, &names, version, changed, e);
	}
	pthread_mutex_unlock(&s->lock);
	mirror_oci_names_free(names.at, names.count);
	return rc;
}
