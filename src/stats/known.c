#include "stats/known.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define HEX (2 * DIGEST_SIZE)
#define MAX_PATH 2048

void stats_known_release(struct stats_known *k)
{
	for (size_t i = 0; i < k->count; i++)
		free(k->at[i].model);
	for (size_t i = 0; i < k->path_count; i++) {
		free(k->paths[i].folder);
		free(k->paths[i].file);
	}
	free(k->at);
	free(k->paths);
	free(k->places);
	*k = (struct stats_known){ 0 };
}

/* ---- the table ---- */

/* Digests are random already. */
static size_t hash(const char *hex)
{
	uint64_t a, b;
	memcpy(&a, hex, 8);
	memcpy(&b, hex + 8, 8);
	uint64_t h = (a ^ (b << 7 | b >> 57)) * 0x9e3779b97f4a7c15u;
	return (size_t)(h ^ h >> 32);
}

static uint32_t *place_of(const struct stats_known *k, const char *hex)
{
	size_t i = hash(hex) & (k->size - 1);
	while (k->places[i] && memcmp(k->paths[k->places[i] - 1].hex, hex, HEX) != 0)
		i = (i + 1) & (k->size - 1);
	return &k->places[i];
}

static void index_paths(struct stats_known *k)
{
	k->size = 64;
	while (k->size < 2 * k->path_count)
		k->size *= 2;
	k->places = mem_alloc(k->size * sizeof *k->places);
	for (size_t i = 0; i < k->path_count; i++) {
		uint32_t *place = place_of(k, k->paths[i].hex);
		k->paths[i].next = *place;
		*place = (uint32_t)i + 1;
	}
}

static int add_row(struct stats_known *k, struct db_statement *s, struct err *e)
{
	int64_t id = db_i64(s, 0);
	const char *hex = db_text(s, 1), *path = db_text(s, 5), *slash = strrchr(path, '/');
	if (strlen(hex) != HEX || !slash || strlen(slash) < HEX + 3)
		return err_set(e, ERR_INTEGRITY, "an object in the statistics is damaged");
	if (!k->count || k->at[k->count - 1].id != id) {
		k->at = mem_grow(k->at, k->count, &k->cap, sizeof *k->at);
		k->at[k->count++] = (struct stats_known_object){
			.id = id,
			.size = (uint64_t)db_i64(s, 2),
			.model = mem_strdup(db_text(s, 3)),
			.first = db_i64(s, 4) == 0,
		};
	}
	k->paths = mem_grow(k->paths, k->path_count, &k->path_cap, sizeof *k->paths);
	struct stats_known_path *p = &k->paths[k->path_count++];
	*p = (struct stats_known_path){
		.folder = mem_strndup(path, (size_t)(slash - path)),
		.file = mem_strdup(slash + 1 + HEX + 1),
		.object = (uint32_t)k->count - 1,
	};
	memcpy(p->hex, hex, HEX);
	return 0;
}

int stats_known_load(struct stats_known *k, struct db *db, struct err *e)
{
	struct db_statement *s;
	stats_known_release(k);
	int rc = db_prepare(db,
			    "SELECT o.id, o.sha256, o.size, o.model, o.part, p.path "
			    "FROM stats_object o JOIN stats_path p ON p.object = o.id "
			    "ORDER BY o.id",
			    &s, e);
	while (rc >= 0 && (rc = db_step(s, e)) > 0)
		if (add_row(k, s, e) < 0) {
			db_reset(s);
			return -(int)e->class;
		}
	index_paths(k);
	return rc;
}

/* ---- learning ---- */

struct learning {
	struct db *db;
	const char *repository;
	int64_t next; /* id */
	uint64_t added;
};

static int find_id(struct db *db, const char *hex, int64_t *id, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, "SELECT id FROM stats_object WHERE sha256 = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_text(s, 1, hex);
	rc = db_step(s, e);
	if (rc > 0)
		*id = db_i64(s, 0);
	db_reset(s);
	return rc;
}

static int add_object(struct learning *l, const struct card *card, const struct card_variant *v,
		      const struct card_file *f, const char *hex, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(l->db,
			    "INSERT INTO stats_object "
			    "(id, sha256, repository, model, variant, part, size) "
			    "VALUES ($1, $2, $3, $4, $5, $6, $7)",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, l->next);
	db_bind_text(s, 2, hex);
	db_bind_text(s, 3, l->repository);
	db_bind_text(s, 4, card->id);
	db_bind_text(s, 5, v->id);
	db_bind_i64(s, 6, (int64_t)(f - v->files));
	db_bind_i64(s, 7, (int64_t)f->size);
	l->added++;
	return db_run(s, NULL, e);
}

static int learn_file(struct learning *l, const struct card *card, const struct card_variant *v,
		      const struct card_file *f, struct err *e)
{
	char hex[DIGEST_HEX];
	struct db_statement *s;
	int64_t id = l->next;
	int rc = find_id(l->db, digest_hex(hex, &f->sha256), &id, e);
	if (rc == 0) {
		rc = add_object(l, card, v, f, hex, e);
		l->next++;
	}
	if (rc >= 0)
		rc = db_prepare(l->db,
				"INSERT INTO stats_path (path, object) VALUES ($1, $2) "
				"ON CONFLICT (path) DO NOTHING",
				&s, e);
	if (rc < 0)
		return rc;
	/* A path may have had other bytes before: its digest belongs to it. */
	CLEANUP(mem_free_ptr) char *dir = path_dir(f->path);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s.%s", dir, hex, path_base(f->path));
	db_bind_text(s, 1, path);
	db_bind_i64(s, 2, id);
	return db_run(s, NULL, e);
}

int stats_known_learn(struct db *db, const struct catalog *c, uint64_t *added, struct err *e)
{
	struct db_statement *s;
	struct learning l = { .db = db, .repository = c->name };
	int rc = db_prepare(db, "SELECT COALESCE(MAX(id), 0) + 1 FROM stats_object", &s, e);
	if (rc == 0 && (rc = db_step(s, e)) > 0) {
		l.next = db_i64(s, 0);
		db_reset(s);
		rc = 0;
	}
	for (size_t i = 0; i < c->model_count && rc == 0; i++) {
		struct card_walk w = { .card = &c->models[i] };
		while (rc == 0 && card_next_file(&w))
			rc = learn_file(&l, w.card, w.variant, w.file, e);
	}
	*added = l.added;
	return rc;
}

/* ---- finding ---- */

static bool is_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

static bool ends_with(const char *text, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);
	return len >= n && memcmp(text + len - n, suffix, n) == 0;
}

/* `folder` is all in front of "/<sha256>.<file>". */
static bool is_path(const struct stats_known_path *p, const char *folder, size_t folder_len,
		    const char *file, size_t file_len)
{
	return strlen(p->file) == file_len && memcmp(p->file, file, file_len) == 0 &&
	       ends_with(folder, folder_len, p->folder) &&
	       ends_with(folder, folder_len - strlen(p->folder), "/targets/");
}

static enum stats_known_kind find_target(const struct stats_known *k, const char *path,
					 const char *name, size_t len, uint32_t *object)
{
	size_t folder = (size_t)(name - path) - 1;
	uint32_t at = *place_of(k, name);
	for (; at; at = k->paths[at - 1].next)
		if (is_path(&k->paths[at - 1], path, folder, name + HEX + 1, len - HEX - 1)) {
			*object = k->paths[at - 1].object;
			return STATS_KNOWN_OBJECT;
		}
	return STATS_KNOWN_DOCUMENT;
}

static enum stats_known_kind find_blob(const struct stats_known *k, const char *hex,
				       uint32_t *object)
{
	uint32_t at = *place_of(k, hex);
	if (!at)
		return STATS_KNOWN_FOREIGN;
	*object = k->paths[at - 1].object;
	return STATS_KNOWN_OBJECT;
}

static bool is_document(const char *folder, size_t folder_len, const char *name, size_t len)
{
	if (ends_with(folder, folder_len, "/metadata"))
		return ends_with(name, len, ".json");
	return (len == 12 && memcmp(name, "catalog.json", 12) == 0) ||
	       (len == 20 && memcmp(name, "catalog.json.minisig", 20) == 0);
}

static enum stats_known_kind find_plain(const struct stats_known *k, const char *path, size_t len,
					uint32_t *object)
{
	size_t rest = 0;
	while (rest < len && path[len - rest - 1] != '/')
		rest++;
	const char *name = path + len - rest;
	size_t folder = len - rest - (rest < len);
	if (folder && rest > HEX + 1 && name[HEX] == '.' && is_hex(name, HEX))
		return find_target(k, path, name, rest, object);
	if (rest == HEX + 7 && memcmp(name, "sha256:", 7) == 0 && is_hex(name + 7, HEX) &&
	    ends_with(path, folder, "/blobs"))
		return find_blob(k, name + 7, object);
	return is_document(path, folder, name, rest) ? STATS_KNOWN_DOCUMENT : STATS_KNOWN_FOREIGN;
}

enum stats_known_kind stats_known_find(const struct stats_known *k, const char *path, size_t len,
				       uint32_t *object)
{
	char plain[MAX_PATH + 1];
	if (!path || len > MAX_PATH)
		return STATS_KNOWN_FOREIGN;
	if (!memchr(path, '%', len))
		return find_plain(k, path, len, object);
	memcpy(plain, path, len);
	plain[len] = '\0';
	return path_percent_decode(plain) ? find_plain(k, plain, strlen(plain), object)
					  : STATS_KNOWN_FOREIGN;
}
