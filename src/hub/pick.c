#include "hub/pick.h"

#include "gguf/gguf.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void hub_pick_release(struct hub_pick *p)
{
	free(p->files);
	*p = (struct hub_pick){ 0 };
}

static void add(struct hub_pick *p, const struct hub_file *f)
{
	p->files = mem_grow(p->files, p->count, &p->cap, sizeof(const struct hub_file *));
	p->files[p->count++] = f;
	p->size += f->size;
}

static bool ends_nocase(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);
	return a >= b && str_eq_nocase(s + a - b, suffix);
}

/* ---- the models in a list ----------------------------------------------------------- */

/* A GGUF, or the first of its shards. */
struct candidate {
	const struct hub_file *first;
	struct gguf_name name;
	uint64_t size; /* of all shards that are there */
	bool by_side;  /* a projector, an adapter and so on: it belongs to a model */
};
struct candidates {
	struct candidate *at;
	size_t count, cap;
};

static void candidates_release(struct candidates *c)
{
	free(c->at);
}

/* "-00001-of-00003.gguf" has 20 bytes; the number comes after the first. */
static bool same_set(const char *a, const char *b)
{
	size_t len = strlen(a), at = len - 19;
	return len == strlen(b) && len >= 20 && memcmp(a, b, at) == 0 &&
	       strcmp(a + at + 5, b + at + 5) == 0;
}

static struct candidate *set_of(struct candidates *c, const struct hub_file *f)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->at[i].name.shards > 1 && same_set(c->at[i].first->path, f->path))
			return &c->at[i];
	return NULL;
}

static bool is_by_side(const char *path, const struct gguf_name *n)
{
	return n->prefix[0] || n->kind[0] || strstr(path_base(path), "imatrix") ||
	       strstr(path_base(path), "mmproj");
}

static void find_candidates(const struct hub_files *files, struct candidates *out)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct hub_file *f = &files->at[i];
		struct gguf_name n;
		if (!ends_nocase(f->path, ".gguf") || !gguf_name_parse(path_base(f->path), &n))
			continue;
		struct candidate *c = n.shards > 1 ? set_of(out, f) : NULL;
		if (!c) {
			out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
			c = &out->at[out->count++];
			*c = (struct candidate){ .first = f, .name = n };
			c->by_side = is_by_side(f->path, &n);
		} else if (n.shard < c->name.shard) {
			c->first = f;
			c->name = n;
		}
		c->size += f->size;
	}
}

/* ---- one of them -------------------------------------------------------------------- */

/* "UD-Q4_K_XL" */
static char *label_of(const struct candidate *c)
{
	return c->name.flavor[0] ? mem_printf("%s-%s", c->name.flavor, c->name.encoding)
				 : mem_strdup(c->name.encoding);
}

/* Is the word in the path, between dots, dashes and slashes? */
static bool has_word(const char *path, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = path; *p; p++)
		if ((p == path || strchr("-./_", p[-1])) && strncasecmp(p, word, len) == 0 &&
		    p[len] && strchr("-./", p[len]))
			return true;
	return false;
}

static bool is_called(const struct candidate *c, const char *tag)
{
	CLEANUP(mem_free_ptr) char *label = label_of(c);
	return str_eq_nocase(label, tag);
}

/* Those that fit best: the path, the quantization, a word in the path; without a name, all models,
 * or what there is. */
static void narrow(const struct candidates *all, const char *file, struct candidates *out)
{
	for (int rank = 0; !out->count && rank < (file ? 3 : 2); rank++)
		for (size_t i = 0; i < all->count; i++) {
			const struct candidate *c = &all->at[i];
			bool fits = !file       ? rank == c->by_side
				    : rank == 0 ? strcmp(c->first->path, file) == 0 ||
							  (c->name.shards > 1 &&
							   same_set(c->first->path, file))
				    : c->by_side ? false
				    : rank == 1  ? is_called(c, file)
						 : has_word(c->first->path, file);
			if (!fits)
				continue;
			out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
			out->at[out->count++] = *c;
		}
}

/* What names it after the colon: its quantization, unless another has the same one. */
static char *handle_of(const struct candidates *all, const struct candidate *c)
{
	CLEANUP(mem_free_ptr) char *label = label_of(c);
	size_t same = 0;
	for (size_t i = 0; i < all->count; i++)
		same += !all->at[i].by_side && is_called(&all->at[i], label);
	return *label && same == 1 && !c->by_side ? STEAL(label) : mem_strdup(c->first->path);
}

static char *command(const struct hub_name *name, const char *id, const char *handle)
{
	bool moves = strcmp(name->revision, HUB_REVISION) != 0;
	CLEANUP(mem_free_ptr) char *source = mem_printf("hf:%s%s%s:%s", name->repo,
							moves ? "@" : "",
							moves ? name->revision : "", handle);
	CLEANUP(mem_free_ptr) char *word = text_shell_quoted(source);
	return mem_printf("ferry prepare %s %s", id, word);
}

static int by_size(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return x->size < y->size ? -1 : x->size > y->size;
}

#define LISTED_BYTES 600 /* of a line; 60 models that are named by their quantizations */

static int several(const struct candidates *all, struct candidates *found,
		   const struct hub_name *name, const char *id, struct err *e)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT(8 * KIB);
	size_t shown = 0;
	qsort(found->at, found->count, sizeof *found->at, by_size);
	for (; shown < found->count && list.len < LISTED_BYTES; shown++) {
		char size[SIZE_TEXT];
		CLEANUP(mem_free_ptr) char *handle = handle_of(all, &found->at[shown]);
		buf_addf(&list, "%s%s (%s)", shown ? ", " : "", handle,
			 format_size(size, found->at[shown].size));
	}
	if (shown < found->count)
		buf_addf(&list, " and %zu more", found->count - shown);
	CLEANUP(mem_free_ptr) char *handle = handle_of(all, &found->at[0]);
	CLEANUP(mem_free_ptr) char *run = command(name, id, handle);
	err_set(e, ERR_USAGE, "hf:%s has several models: %.760s", name->repo, buf_str(&list));
	return err_hint(e, "choose one, for example: %s", run);
}

static int missing_shard(const struct candidate *c, unsigned no, const struct hub_name *name,
			 struct err *e)
{
	return err_set(e, ERR_INTEGRITY, "hf:%s: shard %u of %u of %s is missing", name->repo, no,
		       c->name.shards, c->first->path);
}

static int take_set(const struct hub_files *files, const struct candidate *c,
		    const struct hub_name *name, struct hub_pick *out, struct err *e)
{
	if (c->name.shards < 2) {
		add(out, c->first);
		return 0;
	}
	for (unsigned no = 1; no <= c->name.shards; no++) {
		char number[8];
		CLEANUP(mem_free_ptr) char *path = mem_strdup(c->first->path);
		const struct hub_file *found = NULL;
		snprintf(number, sizeof number, "%05u", no % 100000);
		memcpy(path + strlen(path) - 19, number, 5);
		for (size_t i = 0; i < files->count && !found; i++)
			if (strcmp(files->at[i].path, path) == 0)
				found = &files->at[i];
		if (!found)
			return missing_shard(c, no, name, e);
		add(out, found);
	}
	return 0;
}

/* ---- without a GGUF ----------------------------------------------------------------- */

static bool in_root(const struct hub_file *f)
{
	return !strchr(f->path, '/') && f->path[0] != '.';
}

/* Mistral's second copy of the same weights. */
static bool is_second(const char *path)
{
	return str_starts(path, "consolidated");
}

bool hub_pick_is_input(const char *name)
{
	static const char *const endings[] = { ".json",     ".safetensors", ".model", ".txt",
					       ".tiktoken", ".jinja",       ".jsonl", ".md" };
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (str_ends(name, endings[i]))
			return name[0] != '.';
	return str_starts(name, "LICENSE");
}

static bool is_wanted(const struct hub_file *f, bool both)
{
	return in_root(f) && f->size && hub_pick_is_input(f->path) &&
	       !(both && str_ends(f->path, ".safetensors") && is_second(f->path));
}

struct contents {
	bool config, weights, second, pickles;
};

static struct contents contents_of(const struct hub_files *files)
{
	struct contents c = { 0 };
	for (size_t i = 0; i < files->count; i++) {
		const char *path = files->at[i].path;
		bool weights = in_root(&files->at[i]) && str_ends(path, ".safetensors");
		c.config |= strcmp(path, "config.json") == 0;
		c.weights |= weights && !is_second(path);
		c.second |= weights && is_second(path);
		c.pickles |= str_ends(path, ".bin") || str_ends(path, ".pt") ||
			     str_ends(path, ".pth");
	}
	return c;
}

static int no_model(const struct contents *c, const struct hub_name *name, struct err *e)
{
	if (c->pickles) {
		err_set(e, ERR_INTEGRITY,
			"hf:%s has only PyTorch weights, which are Python pickles and can run "
			"arbitrary code when they are opened",
			name->repo);
		return err_hint(e, "look for a repository with safetensors or GGUF");
	}
	err_set(e, ERR_NOT_FOUND,
		"hf:%s has no model: neither a GGUF, nor config.json with *.safetensors",
		name->repo);
	return err_hint(e, "many models have repositories with GGUF by others: search the Hub for "
			   "their name and GGUF");
}

static int take_snapshot(const struct hub_files *files, const struct hub_name *name,
			 struct hub_pick *out, struct err *e)
{
	struct contents c = contents_of(files);
	if (!c.config || (!c.weights && !c.second))
		return no_model(&c, name, e);
	for (size_t i = 0; i < files->count; i++)
		if (is_wanted(&files->at[i], c.weights && c.second))
			add(out, &files->at[i]);
	out->snapshot = true;
	return 0;
}

/* ---- all of it ---------------------------------------------------------------------- */

/* Any other file: an archive perhaps. Its content decides. */
static bool take_path(const struct hub_files *files, const char *path, struct hub_pick *out)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->at[i].path, path) == 0) {
			add(out, &files->at[i]);
			return true;
		}
	return false;
}

#define NAMED_MAX 200

static int no_such_file(const struct candidates *all, const struct hub_name *name, const char *id,
			struct err *e)
{
	CLEANUP(str_list_release) struct str_list handles = { 0 };
	CLEANUP(buf_release) struct buf list = BUF_INIT(300);
	for (size_t i = 0; i < all->count && i < NAMED_MAX; i++) {
		str_list_take(&handles, handle_of(all, &all->at[i]));
		buf_addf(&list, "%s%s", i ? ", " : "", handles.at[i]);
	}
	const char *near = text_nearest(name->file, (const char *const *)handles.at, handles.count);
	err_set(e, ERR_NOT_FOUND, "hf:%s has no file or quantization '%s'", name->repo, name->file);
	if (!all->count)
		return err_hint(e, "the repository has no GGUF");
	CLEANUP(mem_free_ptr) char *run = command(name, id, near ? near : handles.at[0]);
	return near ? err_hint(e, "did you mean: %s", run)
		    : err_hint(e, "it has %s%s; for example: %s", buf_str(&list),
			       list.overflow ? " and more" : "", run);
}

static int pick(const struct hub_files *files, const struct hub_name *name, const char *id,
		struct hub_pick *out, struct err *e)
{
	CLEANUP(candidates_release) struct candidates all = { 0 }, found = { 0 };
	find_candidates(files, &all);
	narrow(&all, name->file, &found);
	if (found.count == 1)
		return take_set(files, &found.at[0], name, out, e);
	if (found.count > 1)
		return several(&all, &found, name, id, e);
	if (!name->file)
		return take_snapshot(files, name, out, e);
	return take_path(files, name->file, out) ? 0 : no_such_file(&all, name, id, e);
}

int hub_pick(const struct hub_files *files, const struct hub_name *name, const char *id,
	     struct hub_pick *out, struct err *e)
{
	CLEANUP(hub_pick_release) struct hub_pick p = { 0 };
	int rc = pick(files, name, id, &p, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct hub_pick){ 0 };
	return 0;
}
