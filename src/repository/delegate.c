#include "repository/delegate.h"

#include "repository/internal.h"
#include "tuf/match.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

#define TARGETS "targets"
#define KEY_MAX (16 * KIB)

/* A pattern for model files has three parts, the first of which matches "models". */
static int check_pattern(const char *pattern, struct err *e)
{
	const char *slash = strchr(pattern, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	bool parts = second && second > slash + 1 && second[1] && !strchr(second + 1, '/');
	CLEANUP(mem_free_ptr) char *first = mem_strndup(pattern,
							slash ? (size_t)(slash - pattern) : 0);
	if (parts && tuf_match_pattern(first, "models"))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(pattern);
	err_set(e, ERR_USAGE, "the pattern '%.200s' cannot match a model file", shown);
	return err_hint(e, "model files are models/MODEL/FILE, and a wildcard does not match a "
			   "slash; for example 'models/community-*/*'");
}

static bool covered(const struct repository_delegation *d, const char *path)
{
	for (size_t i = 0; i < d->path_count; i++)
		if (tuf_match_pattern(d->paths[i], path))
			return true;
	return false;
}

static void add_paths(const struct repository_cards *cards, struct str_list *out)
{
	for (size_t i = 0; i < cards->count; i++) {
		struct card_walk w = { .card = &cards->at[i] };
		while (card_next_file(&w))
			str_list_add(out, w.file->path);
	}
}

/* The publisher's own models must not silently move to the role. */
static int check_free(const struct repository *r, const struct writer *w,
		      const struct repository_delegation *d, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = repository_cards_load(r->dir, &cards, e);
	if (rc < 0)
		return rc;
	add_paths(&cards, &paths);
	writer_target_paths(w, TARGETS, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, paths.at[i]);
		if (strcmp(owner, TARGETS) != 0 || !covered(d, paths.at[i]))
			continue;
		err_set(e, ERR_USAGE,
			"%s is already in the catalog and would then belong to the role %s",
			paths.at[i], d->name);
		return err_hint(e, "use narrower patterns; or remove the model, sign, and let the "
				   "role add it");
	}
	return 0;
}

/* The role's pattern that has every path of the given one, or NULL. The other pattern is matched
 * like a text, so a wildcard matches a wildcard. */
static const char *shadowing(const struct str_list *paths, const char *pattern)
{
	for (size_t i = 0; i < paths->count; i++)
		if (tuf_match_pattern(paths->at[i], pattern))
			return paths->at[i];
	return NULL;
}

/* Clients search the roles in the order of their delegation. */
static int check_not_shadowed(const struct writer *w, const struct repository_delegation *d,
			      struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	writer_delegation_names(w, &names);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(str_list_release) struct str_list paths = { 0 };
		writer_delegation_paths(w, names.at[i], &paths);
		for (size_t k = 0; k < d->path_count; k++) {
			const char *earlier = shadowing(&paths, d->paths[k]);
			if (!earlier)
				continue;
			err_set(e, ERR_USAGE, "%s: the role %s already has all of it, with %s",
				d->paths[k], names.at[i], earlier);
			return err_hint(e,
					"choose other paths, or `ferry catalog undelegate %s` "
					"first",
					names.at[i]);
		}
	}
	return 0;
}

static int load_key(const char *path, struct tuf_key **out, struct err *e)
{
	CLEANUP(buf_release) struct buf pem = BUF_INIT(KEY_MAX);
	int rc = file_read_named(path, &pem, e);
	if (rc < 0)
		return err_hint(e, "`ferry catalog key export NAME` prints a public key");
	encoding_to_utf8(&pem);
	return tuf_key_from_pem(buf_str(&pem), pem.len, path, out, e);
}

static int load_keys(const struct repository_delegation *d, struct tuf_key **out, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < d->key_count; i++) {
		rc = load_key(d->key_files[i], &out[i], e);
		for (size_t k = 0; rc == 0 && k < i; k++)
			if (digest_equal(&out[k]->identity, &out[i]->identity))
				rc = err_set(e, ERR_USAGE, "%s and %s are the same key",
					     d->key_files[k], d->key_files[i]);
	}
	return rc;
}

static int delegate_named(const struct repository *r, struct writer *w,
			  const struct repository_delegation *d, struct tuf_key **keys,
			  struct err *e)
{
	const struct writer_delegation named = {
		.name = d->name,
		.paths = d->paths,
		.path_count = d->path_count,
		.terminating = d->terminating,
		.threshold = d->threshold,
		.keys = (const struct tuf_key *const *)keys,
		.key_count = d->key_count,
	};
	int rc = d->path_count ? 0 : err_set(e, ERR_USAGE, "a role needs --paths");
	for (size_t i = 0; rc == 0 && i < d->path_count; i++)
		rc = check_pattern(d->paths[i], e);
	if (rc == 0 && !writer_delegates_to(w, d->name))
		rc = check_not_shadowed(w, d, e);
	if (rc == 0)
		rc = check_free(r, w, d, e);
	return rc < 0 ? rc : writer_delegate(w, &named, e);
}

static int delegate_bins(struct writer *w, const struct repository_delegation *d,
			 struct tuf_key **keys, struct err *e)
{
	struct writer_bin_delegation bins = {
		.prefix = d->name,
		.threshold = d->threshold,
		.keys = (const struct tuf_key *const *)keys,
		.key_count = d->key_count,
	};
	if (d->bins < 2 || d->bins > REPOSITORY_MAX_BINS || d->bins & (d->bins - 1)) {
		err_set(e, ERR_USAGE,
			"the number of hash bins, %llu, must be a power of two from 2 to %d",
			(unsigned long long)d->bins, REPOSITORY_MAX_BINS);
		return err_hint(e,
				"use about one bin for every hundred files: 256 for 20,000 files");
	}
	if (d->path_count || d->terminating)
		return err_set(e, ERR_USAGE,
			       "hash bins cover all paths and are always terminating: omit --paths "
			       "and --terminating");
	while (UINT64_C(1) << bins.bit_length < d->bins)
		bins.bit_length++;
	return writer_delegate_bins(w, &bins, e);
}

int repository_delegate(struct repository *r, const struct repository_delegation *d, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	CLEANUP(mem_free_ptr) struct tuf_key **keys = mem_alloc((d->key_count + 1) * sizeof *keys);
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0)
		rc = load_keys(d, keys, e);
	if (rc == 0)
		rc = d->bins ? delegate_bins(w, d, keys, e) : delegate_named(r, w, d, keys, e);
	if (rc == 0)
		rc = repository_keep_drafts(r->dir, w, e);
	for (size_t i = 0; i < d->key_count; i++)
		tuf_key_free(keys[i]);
	return rc;
}

/* ---- and back ---- */

static int release_models(const struct repository *r, const struct writer *w, const char *role,
			  bool adopt, struct str_list *models, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = repository_cards_load(r->dir, &cards, e);
	for (size_t i = 0; rc == 0 && i < cards.count; i++) {
		CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, cards.at[i].id);
		CLEANUP(mem_free_ptr) char *target = card_document(cards.at[i].id);
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, target);
		if (strcmp(owner, role) != 0)
			continue;
		str_list_add(models, cards.at[i].id);
		if (!adopt)
			rc = file_remove(path, e);
	}
	return rc;
}

int repository_undelegate(struct repository *r, const char *name, bool adopt,
			  struct str_list *models, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	/* Cards first: after a kill in between, the next sign must not list these files itself. */
	if (rc == 0 && writer_delegates_to(w, name))
		rc = release_models(r, w, name, adopt, models, e);
	if (rc == 0)
		rc = writer_undelegate(w, name, e);
	return rc < 0 ? rc : repository_keep_drafts(r->dir, w, e);
}
