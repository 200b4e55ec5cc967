#include "repository/staged.h"

#include "catalog/manifest.h"
#include "repository/origin.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define FIRST_LINE "ferry-staged 3 "
#define MAX_BYTES (512 * MIB)
#define WAITING "w"
#define NO_FLAGS "-"

static void model_release(struct staged_model *m)
{
	for (size_t i = 0; i < m->file_count; i++) {
		free(m->files[i].name);
		free(m->files[i].path);
	}
	free(m->files);
	free(m->id);
}

void staged_release(struct staged *s)
{
	for (size_t i = 0; i < s->count; i++)
		model_release(&s->at[i]);
	free(s->at);
	*s = (struct staged){ 0 };
}

/* ---- what it is for ---- */

int staged_key(const struct writer *w, const struct repository_signing *how, struct digest *out,
	       struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * MIB);
	writer_state(w, &text);
	buf_addf(&text, "\n%s\n%s\n%llu\n", how->name ? how->name : "",
		 how->title ? how->title : "", (unsigned long long)how->catalog_max);
	int rc = how->mirrors ? json_canonical(how->mirrors, &text, e) : 0;
	if (rc == 0)
		rc = buf_ok(&text, "the state of the metadata", e);
	if (rc == 0)
		sha256_of(buf_str(&text), text.len, out);
	return rc;
}

/* ---- the entries ---- */

static struct staged_model *append(struct staged *s)
{
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count] = (struct staged_model){ 0 };
	return &s->at[s->count++];
}

static struct staged_file *append_file(struct staged_model *m)
{
	m->files = mem_grow(m->files, m->file_count, &m->file_cap, sizeof *m->files);
	m->files[m->file_count] = (struct staged_file){ 0 };
	return &m->files[m->file_count++];
}

static bool manifest_mark(const char *dir, const char *model, const struct staged_file *f,
			  struct mark *out)
{
	const struct card_file as_card = { .name = f->name, .sha256 = f->sha256 };
	CLEANUP(mem_free_ptr) char *path = repository_manifest_path(dir, model, &as_card);
	return mark_of(path, false, out);
}

static void add_file(struct staged_model *m, const char *dir, const struct card_file *f)
{
	struct staged_file *to = append_file(m);
	to->name = mem_strdup(f->name);
	to->path = mem_strdup(f->path);
	to->size = f->size;
	to->sha256 = f->sha256;
	/* Without one, no mark is equal, and the card is read again. */
	if (!manifest_mark(dir, m->id, to, &to->manifest))
		to->manifest = (struct mark){ 0 };
	to->origin = origin_mark(dir, m->id, f);
}

struct staged_model *staged_add(struct staged *s, const char *dir, const struct card *c,
				const struct mark *card)
{
	struct staged_model *m = append(s);
	struct card_walk w = { .card = c };
	m->id = mem_strdup(c->id);
	m->card = *card;
	while (card_next_file(&w))
		add_file(m, dir, w.file);
	return m;
}

static void seal(struct staged_object *o, const char *dir, const struct writer *w,
		 const char *target)
{
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, target);
	struct published_target t;
	*o = (struct staged_object){ 0 };
	if (!writer_target_get(w, owner, target, &t))
		return;
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, target, &t.sha256);
	if (mark_of(path, false, &o->mark) && o->mark.size == t.length)
		o->sha256 = t.sha256;
	else
		*o = (struct staged_object){ 0 };
}

void staged_seal(struct staged_model *m, const char *dir, const struct writer *w)
{
	CLEANUP(mem_free_ptr) char *card = card_document(m->id);
	seal(&m->object, dir, w, card);
	for (size_t i = 0; i < m->file_count; i++) {
		CLEANUP(mem_free_ptr) char *manifest = mem_printf("%s%s", m->files[i].path,
								  MANIFEST_SUFFIX);
		const struct card_file file = { .path = m->files[i].path };
		CLEANUP(mem_free_ptr) char *origin = origin_target(&file);
		seal(&m->files[i].object, dir, w, manifest);
		seal(&m->files[i].origin_object, dir, w, origin);
	}
}

void staged_keep(struct staged *s, const struct staged_model *m)
{
	struct staged_model *to = append(s);
	*to = *m;
	to->id = mem_strdup(m->id);
	to->files = mem_alloc((m->file_count + 1) * sizeof *to->files);
	to->file_cap = m->file_count + 1;
	for (size_t i = 0; i < m->file_count; i++) {
		to->files[i] = m->files[i];
		to->files[i].name = mem_strdup(m->files[i].name);
		to->files[i].path = mem_strdup(m->files[i].path);
	}
}

static int compare(const void *a, const void *b)
{
	const struct staged_model *x = a, *y = b;
	return strcmp(x->id, y->id);
}

static int compare_id(const void *id, const void *model)
{
	const struct staged_model *m = model;
	return strcmp(id, m->id);
}

const struct staged_model *staged_find(const struct staged *s, const char *id)
{
	return s->count ? bsearch(id, s->at, s->count, sizeof *s->at, compare_id) : NULL;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* One that is missing, or not as it was written. */
static bool has_moved(const struct staged_object *o, const char *dir, const char *target)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, target, &o->sha256);
	struct mark now;
	return !mark_of(path, false, &now) || !same_mark(&now, &o->mark);
}

static bool manifest_moved(const struct staged_file *f, const char *dir)
{
	CLEANUP(mem_free_ptr) char *target = mem_printf("%s%s", f->path, MANIFEST_SUFFIX);
	return has_moved(&f->object, dir, target);
}

/* Also when there is one that was not listed, or none where one was. */
static bool origin_moved(const struct staged_file *f, const char *dir, const char *model)
{
	const struct card_file file = { .path = f->path, .name = f->name, .sha256 = f->sha256 };
	CLEANUP(mem_free_ptr) char *target = origin_target(&file);
	struct mark now = origin_mark(dir, model, &file);
	return !same_mark(&now, &f->origin) ||
	       (f->origin_object.mark.size && has_moved(&f->origin_object, dir, target));
}

static bool object_is_right(const struct staged_file *f, const char *dir, const struct seen *seen)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, f->path, &f->sha256);
	struct mark m;
	return mark_of(path, false, &m) && seen_knows(seen, &f->sha256, &m);
}

bool staged_has_card(const struct staged_model *m, const char *dir)
{
	CLEANUP(mem_free_ptr) char *card = repository_card_path(dir, m->id);
	struct mark now;
	return mark_of(card, false, &now) && same_mark(&now, &m->card);
}

bool staged_is_unchanged(const struct staged_model *m, const char *dir, const struct seen *seen)
{
	CLEANUP(mem_free_ptr) char *target = card_document(m->id);
	struct mark now;
	if (!staged_has_card(m, dir) || (m->variants && has_moved(&m->object, dir, target)))
		return false;
	for (size_t i = 0; i < m->file_count; i++) {
		const struct staged_file *f = &m->files[i];
		if (!manifest_mark(dir, m->id, f, &now) || !same_mark(&now, &f->manifest) ||
		    manifest_moved(f, dir) || origin_moved(f, dir, m->id) ||
		    !object_is_right(f, dir, seen))
			return false;
	}
	return true;
}

/* ---- the file ---- */

/* Cuts the next word off; NULL at the end. */
static char *word(char **line)
{
	char *start = *line, *space = strchr(start, ' ');
	if (!*start)
		return NULL;
	*line = space ? space + 1 : start + strlen(start);
	if (space)
		*space = '\0';
	return start;
}

static bool number(char **line, uint64_t *out)
{
	const char *text = word(line);
	return text && parse_u64(text, out);
}

static bool mark(char **line, struct mark *out)
{
	return number(line, &out->size) && number(line, &out->modified_ns) &&
	       number(line, &out->inode);
}

static bool object(char **line, struct staged_object *out)
{
	const char *hex = word(line);
	return hex && digest_parse(&out->sha256, hex) && mark(line, &out->mark);
}

static bool parse_model(struct staged *s, char *line)
{
	struct staged_model m = { 0 };
	uint64_t variants, planned;
	const char *flags;
	if (!mark(&line, &m.card) || !object(&line, &m.object) || !number(&line, &variants) ||
	    !number(&line, &planned) || !(flags = word(&line)) || !path_is_id(line))
		return false;
	m.variants = (size_t)variants;
	m.planned = (size_t)planned;
	m.waiting = strcmp(flags, WAITING) == 0;
	m.id = mem_strdup(line);
	*append(s) = m;
	return true;
}

static bool parse_file(struct staged *s, char *line)
{
	struct staged_file f = { 0 };
	const char *hex = word(&line);
	if (!s->count || !hex || !digest_parse(&f.sha256, hex) || !number(&line, &f.size) ||
	    !mark(&line, &f.manifest) || !object(&line, &f.object) || !mark(&line, &f.origin) ||
	    !object(&line, &f.origin_object))
		return false;
	char *slash = strchr(line, '/');
	if (!slash)
		return false;
	f.name = mem_strndup(line, (size_t)(slash - line));
	f.path = mem_strdup(slash + 1);
	*append_file(&s->at[s->count - 1]) = f;
	return true;
}

static bool parse(struct staged *s, char *text)
{
	char *line = text, *end = strchr(text, '\n');
	if (!end || !str_starts(text, FIRST_LINE))
		return false;
	*end = '\0';
	if (!digest_parse(&s->key, line + strlen(FIRST_LINE)))
		return false;
	for (line = end + 1; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		bool good = str_starts(line, "m ")   ? parse_model(s, line + 2)
			    : str_starts(line, "f ") ? parse_file(s, line + 2)
						     : false;
		if (!good)
			return false;
	}
	/* A record that was cut off ends without its last line. */
	return strcmp(line, "end") == 0;
}

static char *path_of(const char *dir)
{
	return mem_printf("%s/.ferry/staged", dir);
}

void staged_open(struct staged *s, const char *dir)
{
	CLEANUP(mem_free_ptr) char *path = path_of(dir);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	struct err unread = ERR_INIT;
	*s = (struct staged){ 0 };
	if (file_read_all(path, &text, &unread) < 0 || !text.len || !parse(s, text.data))
		staged_release(s);
}

static void print_object(const struct staged_object *o, struct buf *out)
{
	char mark[MARK_TEXT], hex[DIGEST_HEX];
	buf_addf(out, "%s %s ", digest_hex(hex, &o->sha256), mark_text(mark, &o->mark));
}

static void print_file(const struct staged_file *f, struct buf *out)
{
	char mark[MARK_TEXT], hex[DIGEST_HEX];
	buf_addf(out, "f %s %llu %s ", digest_hex(hex, &f->sha256), (unsigned long long)f->size,
		 mark_text(mark, &f->manifest));
	print_object(&f->object, out);
	buf_addf(out, "%s ", mark_text(mark, &f->origin));
	print_object(&f->origin_object, out);
	buf_addf(out, "%s/%s\n", f->name, f->path);
}

static void print_model(const struct staged_model *m, struct buf *out)
{
	char mark[MARK_TEXT];
	buf_addf(out, "m %s ", mark_text(mark, &m->card));
	print_object(&m->object, out);
	buf_addf(out, "%zu %zu %s %s\n", m->variants, m->planned, m->waiting ? WAITING : NO_FLAGS,
		 m->id);
	for (size_t i = 0; i < m->file_count; i++)
		print_file(&m->files[i], out);
}

void staged_save(struct staged *s, const char *dir)
{
	CLEANUP(mem_free_ptr) char *path = path_of(dir);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	char hex[DIGEST_HEX];
	struct err ignored = ERR_INIT;
	if (s->count)
		qsort(s->at, s->count, sizeof *s->at, compare);
	buf_addf(&text, FIRST_LINE "%s\n", digest_hex(hex, &s->key));
	for (size_t i = 0; i < s->count; i++)
		print_model(&s->at[i], &text);
	buf_adds(&text, "end");
	if (buf_ok(&text, path, &ignored) == 0 &&
	    file_mkdirs_for(path, FILE_DIR_MODE, &ignored) == 0)
		(void)!file_write_atomic(path, text.data, text.len, FILE_MODE, &ignored);
}
