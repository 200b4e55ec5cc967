#include "repository/repository.h"

#include "repository/internal.h"
#include "repository/located.h"
#include "repository/numbers.h"
#include "repository/origin.h"
#include "repository/writer/published.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_DEPTH 8

struct collector {
	const char *dir;
	struct published tree;
	struct str_list kept; /* sorted before use: "targets/…", "cards/…" */
	unsigned keep;
	bool dry_run;
	struct repository_gc *out;
};

/* ---- what is referred to ---- */

static void keep_target(struct collector *c, const char *path, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *name = repository_object_name(path, sha256);
	str_list_take(&c->kept, mem_printf("targets/%s", name));
}

static void keep_card(struct collector *c, const struct card *card)
{
	struct card_walk w = { .card = card };
	while (card_next_file(&w)) {
		CLEANUP(mem_free_ptr) char *manifest = repository_manifest_path("", card->id,
										w.file);
		CLEANUP(mem_free_ptr) char *origin = origin_path("", card->id, w.file);
		keep_target(c, w.file->path, &w.file->sha256);
		str_list_add(&c->kept, manifest + 1);
		str_list_add(&c->kept, origin + 1);
	}
}

static int keep_metadata(struct collector *c, const char *path, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = 64 * MIB };
	CLEANUP(json_release) json_t *json = NULL;
	const char *name;
	json_t *target;
	int rc = json_parse_file(path, &limits, &json, e);
	if (rc < 0)
		return rc;
	json_t *targets = json_object_get(json_object_get(json, "signed"), "targets");
	json_object_foreach (targets, name, target) {
		const char *hex =
			json_string_value(json_object_get(json_object_get(target, "hashes"),
							  "sha256"));
		struct digest sha256;
		if (hex && digest_parse(&sha256, hex))
			keep_target(c, name, &sha256);
	}
	return 0;
}

/* Can this file in metadata/ be removed? Roots, and roles that the tree does not have now, are
 * kept. */
static bool is_old(const struct collector *c, const char *name)
{
	CLEANUP(tuf_name_release) struct tuf_name n = { 0 };
	if (!tuf_name_parse(name, &n) || !n.version || strcmp(n.role, "root") == 0)
		return false;
	const struct published_file *current = published_find(&c->tree, n.role);
	return current && n.version < current->m->version &&
	       current->m->version - n.version > c->keep;
}

static int keep_folder(struct collector *c, const char *name, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *folder = path_join(c->dir, name);
	int rc = file_list_dir(folder, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(folder, names.at[i]);
		bool metadata = str_ends(names.at[i], ".json") && names.at[i][0] != '.';
		if (metadata && !is_old(c, names.at[i]))
			rc = keep_metadata(c, path, e);
	}
	return rc;
}

static int find_kept(struct collector *c, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(c->dir, "metadata");
	struct err unsigned_tree = ERR_INIT;
	int rc = repository_cards_load(c->dir, &cards, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < cards.count; i++)
		keep_card(c, &cards.at[i]);
	if (published_load(metadata, &c->tree, &unsigned_tree) < 0 &&
	    !err_is(&unsigned_tree, ERR_NOT_FOUND)) {
		*e = unsigned_tree;
		return err_context(e, "nothing was removed, because the tree does not verify");
	}
	if ((rc = keep_folder(c, "metadata", e)) < 0 || (rc = keep_folder(c, "drafts", e)) < 0)
		return rc;
	qsort(c->kept.at, c->kept.count, sizeof *c->kept.at, str_compare);
	return 0;
}

/* ---- removing ---- */

static bool is_kept(const struct collector *c, const char *key)
{
	return c->kept.count &&
	       bsearch(&key, c->kept.at, c->kept.count, sizeof *c->kept.at, str_compare);
}

static int drop(struct collector *c, const char *path, uint64_t *count, struct err *e)
{
	uint64_t size = 0;
	struct err unknown = ERR_INIT;
	if (file_size(path, &size, &unknown) == 0)
		c->out->bytes += size;
	++*count;
	return c->dry_run ? 0 : file_remove(path, e);
}

/* Removes everything below `key` that is not kept. */
static int sweep(struct collector *c, const char *key, uint64_t *count, unsigned depth,
		 struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *folder = path_join(c->dir, key);
	int rc = depth < MAX_DEPTH ? file_list_dir(folder, &names, e) : 0;
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *below = mem_printf("%s/%s", key, names.at[i]);
		CLEANUP(mem_free_ptr) char *path = path_join(c->dir, below);
		struct stat st;
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			rc = sweep(c, below, count, depth + 1, e);
			if (!c->dry_run)
				file_remove_dir_if_empty(path);
		} else if (!is_kept(c, below)) {
			rc = drop(c, path, count, e);
		}
	}
	return rc;
}

/* ---- the numbers of versions, which only cards know that are removed now ---- */

static int note_numbers(struct collector *c, json_t *numbers, const char *model, bool *raised,
			struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *folder = mem_printf("%s/targets/models/%s", c->dir, model);
	int rc = file_list_dir(folder, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *key = mem_printf("targets/models/%s/%s", model,
							     names.at[i]);
		CLEANUP(mem_free_ptr) char *path = path_join(c->dir, key);
		if (str_ends(names.at[i], CARD_SUFFIX) && !is_kept(c, key))
			*raised |= numbers_raise(numbers, path);
	}
	return rc;
}

static int keep_numbers(struct collector *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list models = { 0 };
	CLEANUP(mem_free_ptr) char *folder = mem_printf("%s/targets/models", c->dir);
	CLEANUP(json_release) json_t *numbers = NULL;
	bool raised = false;
	int rc = numbers_load(c->dir, &numbers, e);
	if (rc == 0)
		rc = file_list_dir(folder, &models, e);
	for (size_t i = 0; rc == 0 && i < models.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(folder, models.at[i]);
		if (file_is_dir(path))
			rc = note_numbers(c, numbers, models.at[i], &raised, e);
	}
	return rc == 0 && raised && !c->dry_run ? numbers_save(c->dir, numbers, e) : rc;
}

/* In cards/, only the folders of manifests: cards are written by people. */
static int sweep_manifests(struct collector *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *cards = path_join(c->dir, "cards");
	int rc = file_list_dir(cards, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(cards, names.at[i]);
		CLEANUP(mem_free_ptr) char *key = mem_printf("cards/%s", names.at[i]);
		if (path_is_id(names.at[i]) && file_is_dir(path)) {
			rc = sweep(c, key, &c->out->others, 1, e);
			if (!c->dry_run)
				file_remove_dir_if_empty(path);
		}
	}
	return rc;
}

static int sweep_metadata(struct collector *c, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *folder = path_join(c->dir, "metadata");
	int rc = file_list_dir(folder, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(folder, names.at[i]);
		if (file_is_temporary(names.at[i]))
			rc = drop(c, path, &c->out->others, e);
		else if (is_old(c, names.at[i]))
			rc = drop(c, path, &c->out->metadata, e);
	}
	return rc;
}

/* ---- the places of files that are gone ---- */

static bool place_stays(void *ctx, const struct located_file *f)
{
	return is_kept(ctx, f->key);
}

static int drop_places(struct collector *c, struct err *e)
{
	CLEANUP(located_release) struct located record = { 0 };
	int rc = located_read(c->dir, &record, e);
	if (rc < 0 || !located_keep(&record, place_stays, c) || c->dry_run)
		return rc;
	return located_save(&record, c->dir, e);
}

int repository_gc(struct repository *r, unsigned keep, bool dry_run, struct repository_gc *out,
		  struct err *e)
{
	struct repository_gc done = { 0 };
	struct collector c = { .dir = r->dir, .keep = keep, .dry_run = dry_run, .out = &done };
	int rc = find_kept(&c, e);
	if (rc == 0)
		rc = keep_numbers(&c, e);
	/* Metadata first, so that remaining metadata never refers to removed files. */
	if (rc == 0)
		rc = sweep_metadata(&c, e);
	if (rc == 0)
		rc = sweep(&c, "targets", &done.objects, 0, e);
	if (rc == 0)
		rc = sweep_manifests(&c, e);
	if (rc == 0)
		rc = drop_places(&c, e);
	published_release(&c.tree);
	str_list_release(&c.kept);
	if (rc == 0)
		*out = done;
	return rc;
}
