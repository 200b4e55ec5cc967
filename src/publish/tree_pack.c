#include "publish/tree_pack.h"

#include "catalog/pack.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A pack: `count` of the tree's files, from `first` in the list of all packs' files. */
struct pack {
	size_t first, count;
};

struct tree_packs {
	size_t base; /* the first pack among the tree's files; the others follow it */
	struct pack *at;
	size_t count, cap;
	size_t *files; /* places in the tree */
	size_t file_count, file_cap;
};

void tree_packs_free(struct tree_packs *p)
{
	if (!p)
		return;
	free(p->at);
	free(p->files);
	free(p);
}

/* ---- the files of a pack -------------------------------------------------------- */

struct contents {
	struct pack_file *files;
	struct buf *bytes;
	size_t count;
};

static void contents_release(struct contents *c)
{
	for (size_t i = 0; i < c->count; i++)
		buf_release(&c->bytes[i]);
	free(c->bytes);
	free(c->files);
}

static int read_contents(const struct tree *t, const size_t *files, size_t count,
			 struct contents *out, struct err *e)
{
	int rc = 0;
	out->files = mem_alloc((count + 1) * sizeof *out->files);
	out->bytes = mem_alloc((count + 1) * sizeof *out->bytes);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct repository_file *f = &t->files.at[files[i]];
		struct buf *b = &out->bytes[i];
		buf_init(b, PACK_MAX_BYTES);
		out->count++;
		rc = tree_read_small(t, f, b, e);
		out->files[i] = (struct pack_file){ f->key, b->data, b->len };
	}
	return rc;
}

static int make(const struct tree *t, const size_t *files, size_t count, struct buf *out,
		struct err *e)
{
	CLEANUP(contents_release) struct contents c = { 0 };
	int rc = read_contents(t, files, count, &c, e);
	return rc < 0 ? rc : pack_write(c.files, c.count, out, e);
}

/* ---- which files there are ------------------------------------------------------ */

struct item {
	size_t file;
	char *path;
};

struct items {
	struct item *at; /* sorted by path, so that those of a model are together */
	size_t count, cap;
};

static void items_release(struct items *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].path);
	free(l->at);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->path, y->path);
	return order ? order : x->file < y->file ? -1 : 1;
}

static void find_items(const struct tree *t, struct items *out)
{
	for (size_t i = 0; i < t->files.count; i++) {
		char *path = tree_target_path(&t->files.at[i]);
		if (!path || !pack_takes(path)) {
			free(path);
			continue;
		}
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = (struct item){ i, path };
	}
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, compare_items);
}

static size_t folder_length(const char *path)
{
	return (size_t)(strrchr(path, '/') - path);
}

/* The items of one model. */
static size_t count_model(const struct items *l, size_t first)
{
	const char *path = l->at[first].path;
	size_t n = 1, len = folder_length(path);
	while (first + n < l->count && folder_length(l->at[first + n].path) == len &&
	       strncmp(path, l->at[first + n].path, len) == 0)
		n++;
	return n;
}

/* ---- adding --------------------------------------------------------------------- */

static void put_file(struct tree_packs *p, size_t file)
{
	p->files = mem_grow(p->files, p->file_count, &p->file_cap, sizeof *p->files);
	p->files[p->file_count++] = file;
	p->at[p->count - 1].count++;
}

/* The card, then all files of the model that are not cards. */
static void list_files(struct tree_packs *p, size_t card, const struct item *items, size_t count)
{
	p->at = mem_grow(p->at, p->count, &p->cap, sizeof *p->at);
	p->at[p->count++] = (struct pack){ .first = p->file_count };
	put_file(p, card);
	for (size_t i = 0; i < count; i++)
		if (!str_ends(items[i].path, CARD_SUFFIX))
			put_file(p, items[i].file);
}

/* Two roles may have signed a card each: then there are two packs. */
static void list_model(struct tree_packs *p, const struct item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_ends(items[i].path, CARD_SUFFIX))
			list_files(p, items[i].file, items, count);
}

static struct tree_packs *list_packs(const struct tree *t)
{
	CLEANUP(items_release) struct items items = { 0 };
	struct tree_packs *p = NEW(struct tree_packs);
	find_items(t, &items);
	for (size_t i = 0, n; i < items.count; i += n) {
		n = count_model(&items, i);
		list_model(p, &items.at[i], n);
	}
	p->base = t->files.count;
	return p;
}

static void name_pack(struct tree *t, const struct tree_packs *p, const struct pack *pack)
{
	const size_t *files = &p->files[pack->first];
	for (size_t i = 0; i < pack->count; i++) {
		struct repository_file *f = &t->files.at[files[i]];
		free(f->pack_key);
		f->pack_key = pack_key(t->files.at[files[0]].key);
	}
}

void tree_pack_name(struct tree *t)
{
	struct tree_packs *p = list_packs(t);
	for (size_t i = 0; i < p->count; i++)
		name_pack(t, p, &p->at[i]);
	tree_packs_free(p);
}

static int describe(struct tree *t, const struct tree_packs *p, size_t which,
		    struct repository_file *out, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(PACK_MAX_BYTES);
	const struct pack *pack = &p->at[which];
	const size_t *files = &p->files[pack->first];
	int rc = make(t, files, pack->count, &bytes, e);
	if (rc < 0)
		return rc;
	*out = (struct repository_file){
		.key = pack_key(t->files.at[files[0]].key),
		.class = REPOSITORY_OBJECT,
		.size = bytes.len,
		.is_pack = true,
	};
	sha256_of(buf_str(&bytes), bytes.len, &out->sha256);
	name_pack(t, p, pack);
	return 0;
}

static void make_room(struct tree *t, size_t more)
{
	size_t all = t->files.count + more, timestamp = tree_index(t, t->timestamp);
	struct repository_file *at = mem_alloc((all + 1) * sizeof *at);
	struct buf *small = mem_alloc((all + 1) * sizeof *small);
	memcpy(at, t->files.at, t->files.count * sizeof *at);
	memcpy(small, t->small, t->files.count * sizeof *small);
	free(t->files.at);
	free(t->small);
	t->files.at = at;
	t->files.cap = all + 1;
	t->small = small;
	t->timestamp = &at[timestamp];
}

static int add_all(struct tree *t, struct err *e)
{
	int rc = 0;
	if (t->packs)
		return 0;
	struct tree_packs *p = list_packs(t);
	make_room(t, p->count);
	t->packs = p;
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		rc = describe(t, p, i, &t->files.at[t->files.count], e);
		t->files.count += rc == 0;
	}
	repository_files_index(&t->files);
	return rc;
}

int tree_pack_for(struct tree *t, const struct mirror *m, struct err *e)
{
	return m && m->ops->packs ? add_all(t, e) : 0;
}

/* ---- reading -------------------------------------------------------------------- */

/* Unnamed, so that nobody else changes it and it goes away by itself. */
static int keep(const struct buf *bytes, int *fd, struct err *e)
{
	FILE *f = tmpfile();
	if (!f)
		return err_sys(e, errno, "a temporary file");
	int own = dup(fileno(f));
	fclose(f);
	if (own < 0)
		return err_sys(e, errno, "a temporary file");
	int rc = file_write(own, buf_str(bytes), bytes->len, "a temporary file", e);
	if (rc < 0)
		close(own);
	else
		*fd = own;
	return rc;
}

int tree_pack_open(const struct tree *t, const struct repository_file *f, int *fd, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(PACK_MAX_BYTES);
	const struct pack *pack = &t->packs->at[tree_index(t, f) - t->packs->base];
	struct digest got;
	int rc = make(t, &t->packs->files[pack->first], pack->count, &bytes, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&bytes), bytes.len, &got);
	if (!digest_equal(&got, &f->sha256))
		return err_set(e, ERR_INTEGRITY, "%s: its files changed meanwhile", f->key);
	return keep(&bytes, fd, e);
}
