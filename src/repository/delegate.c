#include "repository/delegate.h"

#include "catalog/manifest.h"
#include "repository/internal.h"
#include "tuf/match.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

#define TARGETS "targets"
#define KEY_MAX (16 * KIB)

static char *manifest_target(const struct card_file *f)
{
	return mem_printf("%s%s", f->path, MANIFEST_SUFFIX);
}

int repository_keep_drafts(struct writer *w, struct err *e)
{
	struct writer_saved saved;
	return writer_changed(w) ? writer_save(w, NULL, 0, &saved, e) : 0;
}

/* ---- whose files ---- */

int repository_check_role(const struct writer *w, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (writer_delegates_to(w, role))
		return 0;
	writer_delegation_names(w, &names);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(role);
	const char *near = text_nearest(role, (const char *const *)names.at, names.count);
	err_set(e, ERR_USAGE, "targets does not delegate to a role '%.80s'", shown);
	return near ? err_hint(e, "did you mean '%s'?", near) :
		      err_hint(e, "`ferry catalog delegate` makes such a role");
}

static int not_covered(const struct writer *w, const char *role, const char *path,
		       struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	writer_delegation_paths(w, role, &paths);
	for (size_t i = 0; i < paths.count; i++)
		buf_addf(&text, "%s%s", i ? ", " : "", paths.at[i]);
	err_set(e, ERR_USAGE, "%s does not lie under a path of the role %s", path, role);
	return err_hint(e, "its paths are %.500s: give the model a name that fits, or ask for a "
			"wider delegation", buf_str(&text));
}

static int check_path(const struct writer *w, const char *role, const char *path,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
	if (role && strcmp(owner, role) == 0)
		return 0;
	if (role && !writer_covers(w, role, path))
		return not_covered(w, role, path, e);
	if (!writer_delegates_to(w, owner))
		return 0;
	err_set(e, ERR_USAGE, "%s belongs to the role %s, which targets delegates to", path, owner);
	return err_hint(e, "add it with --role %s, or give the model another name", owner);
}

static int check_file(const struct writer *w, const char *role, const struct card_file *f,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *manifest = manifest_target(f);
	int rc = check_path(w, role, f->path, e);
	return rc < 0 ? rc : check_path(w, role, manifest, e);
}

int repository_check_owner(const struct writer *w, const char *role, const struct card *c,
			   struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < c->variant_count; i++)
		for (size_t k = 0; rc == 0 && k < c->variants[i].file_count; k++)
			rc = check_file(w, role, &c->variants[i].files[k], e);
	return rc;
}

/* ---- what a role lists ---- */

static bool below_model(const char *path, const char *model)
{
	CLEANUP(mem_free_ptr) char *folder = mem_printf("models/%s/", model);
	return str_starts(path, folder);
}

static int set_file(const char *dir, struct writer *w, const char *role, const struct card *c,
		    const struct card_file *f, struct str_list *kept, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, f->path);
	char *manifest = manifest_target(f);
	struct digest sha256;
	str_list_add(kept, f->path);
	str_list_take(kept, manifest);
	if (strcmp(owner, role) != 0)
		return 0;
	int rc = repository_manifest_read(dir, c->id, f, &text, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&text), text.len, &sha256);
	rc = repository_put(dir, manifest, text.data, text.len, &sha256, e);
	if (rc == 0)
		rc = writer_target_set(w, role, f->path, f->size, &f->sha256, e);
	return rc < 0 ? rc : writer_target_set(w, role, manifest, text.len, &sha256, e);
}

int repository_list_for_role(const char *dir, struct writer *w, const char *role,
			     const struct card *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list kept = { 0 }, listed = { 0 };
	int rc = 0;
	for (size_t i = 0; i < c->variant_count; i++)
		for (size_t k = 0; rc == 0 && k < c->variants[i].file_count; k++)
			rc = set_file(dir, w, role, c, &c->variants[i].files[k], &kept, e);
	writer_target_paths(w, role, &listed);
	for (size_t i = 0; rc == 0 && i < listed.count; i++)
		if (below_model(listed.at[i], c->id) && !str_list_has(&kept, listed.at[i]))
			rc = writer_target_remove(w, role, listed.at[i], e);
	return rc;
}

static int unset(struct writer *w, const char *role, const char *path, struct err *e)
{
	struct published_target listed;
	return writer_target_get(w, role, path, &listed) ?
		       writer_target_remove(w, role, path, e) : 0;
}

int repository_unlist_for_role(struct writer *w, const char *role, const struct card *c,
			       const char *variant, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		if (variant && strcmp(v->id, variant) != 0)
			continue;
		for (size_t k = 0; rc == 0 && k < v->file_count; k++) {
			CLEANUP(mem_free_ptr) char *manifest = manifest_target(&v->files[k]);
			rc = unset(w, role, v->files[k].path, e);
			if (rc == 0)
				rc = unset(w, role, manifest, e);
		}
	}
	return rc;
}

/* ---- what may be in the catalog ---- */

static int card_vouched(const struct writer *w, const struct card *c, bool *out,
			struct err *e)
{
	*out = true;
	for (size_t i = 0; *out && i < c->variant_count; i++) {
		for (size_t k = 0; *out && k < c->variants[i].file_count; k++) {
			const struct card_file *f = &c->variants[i].files[k];
			CLEANUP(mem_free_ptr) char *owner = writer_owner(w, f->path);
			if (!writer_delegates_to(w, owner))
				continue;
			int rc = writer_vouched(w, owner, f->path, &f->sha256, out, e);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int repository_vouched_cards(const struct writer *w, const struct repository_cards *cards,
			     const struct catalog *current, struct card **out, size_t *count,
			     size_t *waiting, struct err *e)
{
	CLEANUP(mem_free_ptr) struct card *chosen = mem_alloc((cards->count + 1) * sizeof *chosen);
	size_t n = 0, late = 0;
	for (size_t i = 0; i < cards->count; i++) {
		const struct card *c = &cards->at[i];
		bool yes;
		int rc = card_vouched(w, c, &yes, e);
		if (rc == 0 && !yes) {
			late++;
			c = current->json ? catalog_model(current, c->id) : NULL;
			rc = c ? card_vouched(w, c, &yes, e) : 0;
		}
		if (rc < 0)
			return rc;
		if (yes)
			chosen[n++] = *c;
	}
	*out = STEAL(chosen);
	*count = n;
	*waiting = late;
	return 0;
}

/* ---- delegating ---- */

/* A pattern for model files has their three parts, the first of which is "models". */
static int check_pattern(const char *pattern, struct err *e)
{
	const char *slash = strchr(pattern, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	bool parts = second && second > slash + 1 && second[1] && !strchr(second + 1, '/');
	CLEANUP(mem_free_ptr) char *first = mem_strndup(pattern, slash ? (size_t)(slash - pattern) :
							0);
	if (parts && tuf_match_pattern(first, "models"))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(pattern);
	err_set(e, ERR_USAGE, "the pattern '%.200s' covers no model file", shown);
	return err_hint(e, "files of models are models/MODEL/FILE, and a wildcard matches no slash: "
			"'models/community-*/*', for example");
}

static bool covered(const struct repository_delegation *d, const char *path)
{
	for (size_t i = 0; i < d->path_count; i++)
		if (tuf_match_pattern(d->paths[i], path))
			return true;
	return false;
}

/* The publisher's own models must not leave targets unseen. */
static int check_free(const struct repository *r, const struct writer *w,
		      const struct repository_delegation *d, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = repository_cards_load(r->dir, &cards, e);
	if (rc < 0)
		return rc;
	writer_target_paths(w, TARGETS, &paths);
	for (size_t i = 0; i < cards.count; i++)
		for (size_t j = 0; j < cards.at[i].variant_count; j++)
			for (size_t k = 0; k < cards.at[i].variants[j].file_count; k++)
				str_list_add(&paths, cards.at[i].variants[j].files[k].path);
	for (size_t i = 0; i < paths.count; i++) {
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, paths.at[i]);
		if (strcmp(owner, TARGETS) != 0 || !covered(d, paths.at[i]))
			continue;
		err_set(e, ERR_USAGE, "%s is in the catalog already, and would belong to the role %s",
			paths.at[i], d->name);
		return err_hint(e, "use narrower patterns, or remove the model, sign, and let the "
				"role add it");
	}
	return 0;
}

/* Does the role have every path that the pattern covers? Its pattern that says so, or NULL. A
 * wildcard of the one matches that of the other, as any text. */
static const char *shadowing(const struct str_list *paths, const char *pattern)
{
	for (size_t i = 0; i < paths->count; i++)
		if (tuf_match_pattern(paths->at[i], pattern))
			return paths->at[i];
	return NULL;
}

/* Clients ask the roles in the order of their delegation. */
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
			err_set(e, ERR_USAGE, "%s: the role %s has all of that with %s", d->paths[k],
				names.at[i], earlier);
			return err_hint(e, "choose other paths, or `ferry catalog undelegate %s` first",
					names.at[i]);
		}
	}
	return 0;
}

static int load_key(const char *path, struct tuf_key **out, struct err *e)
{
	CLEANUP(buf_release) struct buf pem = BUF_INIT(KEY_MAX);
	int rc = file_read_all(path, &pem, e);
	if (rc < 0)
		return err_hint(e, "`ferry catalog key export NAME` prints a public key");
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
		.name = d->name, .paths = d->paths, .path_count = d->path_count,
		.terminating = d->terminating, .threshold = d->threshold,
		.keys = (const struct tuf_key *const *)keys, .key_count = d->key_count,
	};
	int rc = d->path_count ? 0 : err_set(e, ERR_USAGE, "a role needs --paths: what may it list?");
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
		.prefix = d->name, .threshold = d->threshold,
		.keys = (const struct tuf_key *const *)keys, .key_count = d->key_count,
	};
	if (d->bins < 2 || d->bins > REPOSITORY_MAX_BINS || d->bins & (d->bins - 1)) {
		err_set(e, ERR_USAGE, "%llu hash bins: a power of two from 2 to %d is wanted",
			(unsigned long long)d->bins, REPOSITORY_MAX_BINS);
		return err_hint(e, "about one for every hundred files: 256 for 20,000");
	}
	if (d->path_count || d->terminating)
		return err_set(e, ERR_USAGE, "hash bins are for all paths, and always terminating");
	while (UINT64_C(1) << bins.bit_length < d->bins)
		bins.bit_length++;
	return writer_delegate_bins(w, &bins, e);
}

int repository_delegate(struct repository *r, const struct repository_delegation *d,
			struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	CLEANUP(mem_free_ptr) struct tuf_key **keys = mem_alloc((d->key_count + 1) * sizeof *keys);
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0)
		rc = load_keys(d, keys, e);
	if (rc == 0)
		rc = d->bins ? delegate_bins(w, d, keys, e) : delegate_named(r, w, d, keys, e);
	if (rc == 0)
		rc = repository_keep_drafts(w, e);
	for (size_t i = 0; i < d->key_count; i++)
		tuf_key_free(keys[i]);
	return rc;
}

/* ---- and back ---- */

static bool has_file_of(const struct writer *w, const char *role, const struct card *c)
{
	for (size_t i = 0; i < c->variant_count; i++)
		for (size_t k = 0; k < c->variants[i].file_count; k++) {
			CLEANUP(mem_free_ptr) char *owner =
				writer_owner(w, c->variants[i].files[k].path);
			if (strcmp(owner, role) == 0)
				return true;
		}
	return false;
}

static int release_models(const struct repository *r, const struct writer *w, const char *role,
			  bool adopt, struct str_list *models, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	int rc = repository_cards_load(r->dir, &cards, e);
	for (size_t i = 0; rc == 0 && i < cards.count; i++) {
		CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, cards.at[i].id);
		if (!has_file_of(w, role, &cards.at[i]))
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
	/* Cards first: killed in between, the next sign must not take them for its own. */
	if (rc == 0 && writer_delegates_to(w, name))
		rc = release_models(r, w, name, adopt, models, e);
	if (rc == 0)
		rc = writer_undelegate(w, name, e);
	return rc < 0 ? rc : repository_keep_drafts(w, e);
}
