#include "repository/internal.h"

#include "catalog/manifest.h"
#include "util/mem.h"

#include <string.h>

char *repository_manifest_target(const struct card_file *f)
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
	return near ? err_hint(e, "did you mean '%s'?", near)
		    : err_hint(e, "`ferry catalog delegate` adds a role");
}

static int not_covered(const struct writer *w, const char *role, const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	writer_delegation_paths(w, role, &paths);
	for (size_t i = 0; i < paths.count; i++)
		buf_addf(&text, "%s%s", i ? ", " : "", paths.at[i]);
	err_set(e, ERR_USAGE, "%s is not below a path of the role %s", path, role);
	return err_hint(e, "its paths are %.500s: rename the model, or ask for more paths",
			buf_str(&text));
}

static int check_path(const struct writer *w, const char *role, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
	if (role && strcmp(owner, role) == 0)
		return 0;
	if (role && !writer_covers(w, role, path))
		return not_covered(w, role, path, e);
	if (!writer_delegates_to(w, owner))
		return 0;
	err_set(e, ERR_USAGE, "%s belongs to the delegated role %s", path, owner);
	return err_hint(e, "add it with --role %s, or rename the model", owner);
}

static int check_file(const struct writer *w, const char *role, const struct card_file *f,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *manifest = repository_manifest_target(f);
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
	CLEANUP(mem_free_ptr) char *folder = card_target(model, "");
	return str_starts(path, folder);
}

int repository_list_file(const char *dir, struct writer *w, const char *role, const char *model,
			 const struct card_file *f, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *manifest = repository_manifest_target(f);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, f->path);
	CLEANUP(mem_free_ptr) char *manifest_owner = writer_owner(w, manifest);
	struct digest sha256;
	int rc = repository_manifest_read(dir, model, f, &text, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&text), text.len, &sha256);
	rc = repository_put(dir, manifest, text.data, text.len, &sha256, e);
	if (rc == 0)
		rc = writer_target_set(w, role ? role : owner, f->path, f->size, &f->sha256, e);
	if (rc == 0)
		rc = writer_target_set(w, role ? role : manifest_owner, manifest, text.len, &sha256,
				       e);
	return rc;
}

static int list_file(const char *dir, struct writer *w, const char *role, const struct card *c,
		     const struct card_file *f, struct str_list *kept, struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, f->path);
	str_list_add(kept, f->path);
	str_list_take(kept, repository_manifest_target(f));
	return strcmp(owner, role) == 0 ? repository_list_file(dir, w, role, c->id, f, e) : 0;
}

int repository_list_for_role(const char *dir, struct writer *w, const char *role,
			     const struct card *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list kept = { 0 }, listed = { 0 };
	int rc = 0;
	for (size_t i = 0; i < c->variant_count; i++)
		for (size_t k = 0; rc == 0 && k < c->variants[i].file_count; k++)
			rc = list_file(dir, w, role, c, &c->variants[i].files[k], &kept, e);
	writer_target_paths(w, role, &listed);
	for (size_t i = 0; rc == 0 && i < listed.count; i++)
		if (below_model(listed.at[i], c->id) && !str_list_has(&kept, listed.at[i]))
			rc = writer_target_remove(w, role, listed.at[i], e);
	return rc;
}

static int unset(struct writer *w, const char *role, const char *path, struct err *e)
{
	struct published_target listed;
	return writer_target_get(w, role, path, &listed) ? writer_target_remove(w, role, path, e)
							 : 0;
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
			CLEANUP(mem_free_ptr) char *manifest =
				repository_manifest_target(&v->files[k]);
			rc = unset(w, role, v->files[k].path, e);
			if (rc == 0)
				rc = unset(w, role, manifest, e);
		}
	}
	return rc;
}

/* ---- what may be in the catalog ---- */

static int card_vouched(const struct writer *w, const struct card *c, bool *out, struct err *e)
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
