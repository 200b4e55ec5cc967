#include "repository/internal.h"

#include "catalog/manifest.h"
#include "repository/catalog_build.h"
#include "repository/origin.h"
#include "util/mem.h"

#include <string.h>

char *repository_manifest_target(const struct card_file *f)
{
	return mem_printf("%s%s", f->path, MANIFEST_SUFFIX);
}

int repository_keep_drafts(const char *dir, struct writer *w, struct err *e)
{
	struct writer_saved saved;
	if (!writer_changed(w))
		return 0;
	int rc = repository_sync_objects(dir, e);
	return rc < 0 ? rc : writer_save(w, NULL, 0, &saved, e);
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
	return err_hint(e, "with --role %s, its own people sign the change; or use another name",
			owner);
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
	CLEANUP(mem_free_ptr) char *card = card_document(c->id);
	struct card_walk walk = { .card = c };
	int rc = check_path(w, role, card, e);
	while (rc == 0 && card_next_file(&walk))
		rc = check_file(w, role, walk.file, e);
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
	return rc < 0 ? rc : origin_list(dir, w, role, model, f, e);
}

int repository_list_card(const char *dir, struct writer *w, const char *role, const struct card *c,
			 struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = card_document(c->id);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
	CLEANUP(json_release) json_t *card = repository_prepared_card(c);
	struct digest sha256;
	int rc = json_pretty(card, &text, e);
	if (rc < 0)
		return err_context(e, "the card of %s", c->id);
	sha256_of(buf_str(&text), text.len, &sha256);
	rc = repository_put(dir, path, text.data, text.len, &sha256, e);
	return rc < 0 ? rc : writer_target_set(w, role ? role : owner, path, text.len, &sha256, e);
}

/* Lists the files that belong to the role; adds the targets of all to `kept`. */
static int list_files(const char *dir, struct writer *w, const char *role, const struct card *c,
		      struct str_list *kept, struct err *e)
{
	struct card_walk walk = { .card = c };
	int rc = 0;
	while (rc == 0 && card_next_file(&walk)) {
		const struct card_file *f = walk.file;
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, f->path);
		str_list_add(kept, f->path);
		str_list_take(kept, repository_manifest_target(f));
		if (origin_listed(dir, w, role, c->id, f))
			str_list_take(kept, origin_target(f));
		if (strcmp(owner, role) == 0)
			rc = repository_list_file(dir, w, role, c->id, f, e);
	}
	return rc;
}

static bool has_files(const struct card *c)
{
	for (size_t i = 0; i < c->variant_count; i++)
		if (c->variants[i].file_count)
			return true;
	return false;
}

int repository_list_for_role(const char *dir, struct writer *w, const char *role,
			     const struct card *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list listed = { 0 }, kept = { 0 };
	int rc = list_files(dir, w, role, c, &kept, e);
	if (rc == 0 && has_files(c)) {
		str_list_take(&kept, card_document(c->id));
		rc = repository_list_card(dir, w, role, c, e);
	}
	writer_target_paths(w, role, &listed);
	for (size_t i = 0; rc == 0 && i < listed.count; i++)
		if (below_model(listed.at[i], c->id) && !str_list_has(&kept, listed.at[i]))
			rc = writer_target_remove(w, role, listed.at[i], e);
	return rc;
}

/* ---- what may be in the catalog ---- */

/* Has the delegated role to which it belongs signed the file? Without such a role, yes. */
static int file_vouched(const struct writer *w, const struct card_file *f, bool *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, f->path);
	struct published_target t;
	bool found;
	*out = true;
	if (!writer_delegates_to(w, owner))
		return 0;
	int rc = writer_vouched(w, owner, f->path, &t, &found, e);
	*out = rc == 0 && found && digest_equal(&t.sha256, &f->sha256);
	return rc;
}

static int card_vouched(const struct writer *w, const struct card *c, bool *out, struct err *e)
{
	struct card_walk walk = { .card = c };
	int rc = 0;
	*out = true;
	while (rc == 0 && *out && card_next_file(&walk))
		rc = file_vouched(w, walk.file, out, e);
	return rc;
}

/* The card that the role has signed, from its object in the tree. ERR_NOT_FOUND: none. */
static int signed_card(const char *dir, const struct writer *w, const char *role, const char *id,
		       struct card *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = card_document(id);
	struct published_target t;
	bool found;
	int rc = writer_vouched(w, role, path, &t, &found, e);
	if (rc == 0 && !found)
		return err_set(e, ERR_NOT_FOUND, "%s has not signed the card of %s", role, id);
	CLEANUP(mem_free_ptr) char *object = rc == 0 ? repository_object_path(dir, path, &t.sha256)
						     : NULL;
	if (rc == 0)
		rc = repository_read_signed(object, &t.sha256, &text, e);
	if (rc == 0)
		rc = card_parse(buf_str(&text), text.len, path, out, e);
	if (rc == 0 && (rc = card_check_own(out, id, e)) < 0)
		card_release(out);
	if (rc == -ERR_NOT_FOUND)
		err_class_set(e, ERR_INTEGRITY); /* the object is gone */
	return rc;
}

/* A tree of version 0.1, whose roles have not signed cards yet: the card counts if the role has
 * signed its files, else the one in the current catalog. */
static int card_of_files(const struct writer *w, const struct card *c,
			 const struct catalog *current, struct card *out, bool *waiting,
			 struct err *e)
{
	bool yes;
	int rc = card_vouched(w, c, &yes, e);
	if (rc == 0 && !yes) {
		*waiting = true;
		c = current->json ? catalog_model(current, c->id) : NULL;
		rc = c ? card_vouched(w, c, &yes, e) : 0;
	}
	return rc < 0 || !yes ? rc : card_from_json(c->json, "", out, e);
}

static int wrong_card(const char *role, const char *id, const struct err *why, struct err *e)
{
	*e = *why;
	err_context(e, "the role %s has signed a card of %s that cannot be published", role, id);
	if (!err_is(e, ERR_INTEGRITY))
		return -(int)e->class;
	return err_hint(e,
			"its people must sign a correct one; `ferry catalog undelegate %s` takes "
			"the role out of the repository",
			role);
}

static int card_of_role(const char *dir, const struct writer *w, const char *role,
			const struct card *c, const struct catalog *current, struct card *out,
			bool *waiting, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = signed_card(dir, w, role, c->id, out, &why);
	if (rc == -ERR_NOT_FOUND)
		return card_of_files(w, c, current, out, waiting, e);
	if (rc < 0)
		return wrong_card(role, c->id, &why, e);
	CLEANUP(json_release) json_t *wanted = repository_prepared_card(c);
	*waiting = !json_equal(wanted, out->json);
	return 0;
}

int repository_vouched_card(const char *dir, const struct writer *w, const struct card *c,
			    const struct catalog *current, struct card *out, bool *waiting,
			    struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = card_document(c->id);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
	return writer_delegates_to(w, owner)
		       ? card_of_role(dir, w, owner, c, current, out, waiting, e)
		       : card_from_json(c->json, "", out, e);
}
