#include "fetch/import.h"

#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define TASK "looking for files"

const char *import_state_name(enum import_state s)
{
	static const char *const names[] = { "found",    "ignored", "unknown",   "differs",
					     "imported", "stored",  "withdrawn", "needs-copy",
					     "failed",   "outside" };
	return names[s];
}

static void file_release(struct import_file *f)
{
	str_list_release(&f->names);
	mem_free_ptr(&f->path);
}

void import_files_release(struct import_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		file_release(&f->at[i]);
	free(f->at);
	*f = (struct import_files){ 0 };
}

/* -- a file that was found -------------------------------------------------------------------- */

struct walk {
	const struct store *store;
	const char *root;       /* the folder, without links in its path */
	struct stat home;       /* the folder of the store */
	const char *store_root; /* the same, without links in its path */
	struct import_files *out;
};

bool import_is_gguf_name(const char *name)
{
	size_t len = strlen(name);
	return len > 5 && str_eq_nocase(name + len - 5, ".gguf");
}

/* "sha256-<hex>" in Ollama's folder, "<hex>" in the cache of Hugging Face. */
static bool parse_claim(const char *path, struct digest *out)
{
	static const char prefix[] = "sha256-";
	const char *base = path_base(path);
	return digest_parse(out, str_starts(base, prefix) ? base + strlen(prefix) : base);
}

static struct import_file *add(struct walk *w, const char *name, const char *path,
			       const struct stat *st, enum import_state state)
{
	struct import_files *all = w->out;
	all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
	struct import_file *f = &all->at[all->count];
	*f = (struct import_file){
		.path = mem_strdup(path),
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.device = (uint64_t)st->st_dev,
		.inode = (uint64_t)st->st_ino,
		.order = all->count++,
		.state = state,
	};
	str_list_add(&f->names, name);
	f->claims = parse_claim(path, &f->claimed);
	return f;
}

static int add_regular(struct walk *w, const char *name, const char *path, const struct stat *st,
		       struct err *e)
{
	if (!st->st_size)
		return 0;
	if (w->out->count >= IMPORT_MAX_FILES) {
		err_set(e, ERR_USAGE, "there are more than %d files", IMPORT_MAX_FILES);
		return err_hint(e, "name a folder that has the models and little else");
	}
	add(w, name, path, st, IMPORT_FOUND);
	report_advance(w->store->report, TASK, 1);
	return 0;
}

static void add_failed(struct walk *w, const char *path, const struct stat *st,
		       const struct err *why)
{
	add(w, path, path, st, IMPORT_FAILED)->why = *why;
}

/* -- links ------------------------------------------------------------------------------------ */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || (len && dir[len - 1] == '/'));
}

/* From models--X/snapshots/… to models--X/blobs/…: huggingface_hub, file_download.py. */
static bool is_hub_link(const char *dir, const char *target)
{
	const char *model = NULL;
	for (const char *p = dir; (p = strstr(p, "/models--")); p++)
		model = p;
	const char *rest = model ? strchr(model + 1, '/') : NULL;
	if (!rest || !(str_starts(rest, "/snapshots/") || strcmp(rest, "/snapshots") == 0))
		return false;
	CLEANUP(mem_free_ptr) char *blobs = mem_printf("%.*s/blobs", (int)(rest - dir), dir);
	return is_below(target, blobs);
}

/* What leads to nothing is nothing; a folder inside of the root is walked by its own name. */
static int take_link(struct walk *w, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	CLEANUP(mem_free_ptr) char *real_dir = realpath(dir, NULL);
	CLEANUP(mem_free_ptr) char *target = realpath(path, NULL);
	struct stat st;
	if (!target || !real_dir || stat(target, &st) < 0)
		return 0;
	bool inside = is_below(target, w->root) || is_hub_link(real_dir, target);
	if (S_ISREG(st.st_mode) && is_below(target, w->store_root))
		add(w, path, target, &st, IMPORT_STORED);
	else if (inside)
		return S_ISREG(st.st_mode) ? add_regular(w, path, target, &st, e) : 0;
	else if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && (import_is_gguf_name(path) ||
								 import_is_gguf_name(target))))
		add(w, path, target, &st, IMPORT_OUTSIDE);
	return 0;
}

/* -- the walk --------------------------------------------------------------------------------- */

static int walk_dir(struct walk *w, const char *dir, const struct stat *st, unsigned depth,
		    struct err *e);

static int take(struct walk *w, const char *path, unsigned depth, struct err *e)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISLNK(st.st_mode))
		return take_link(w, path, e);
	if (S_ISREG(st.st_mode))
		return add_regular(w, path, path, &st, e);
	return S_ISDIR(st.st_mode) ? walk_dir(w, path, &st, depth, e) : 0;
}

static int walk_dir(struct walk *w, const char *dir, const struct stat *st, unsigned depth,
		    struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err why = ERR_INIT;
	if (st->st_dev == w->home.st_dev && st->st_ino == w->home.st_ino)
		return 0;
	if (depth > IMPORT_MAX_DEPTH)
		err_set(&why, ERR_SYSTEM, "%s: folders nested too deeply", dir);
	else
		(void)!file_list_dir(dir, &names, &why);
	if (why.class)
		add_failed(w, dir, st, &why);
	int rc = cancel_check(w->store->cancel, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		rc = take(w, path, depth + 1, e);
	}
	return rc;
}

static int in_store(const struct walk *w, const char *given, const char *real, struct err *e)
{
	if (!is_below(real, w->store_root) && strcmp(real, w->store_root) != 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s is in the store already", given);
}

static int take_root(struct walk *w, const char *given, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_absolute(given);
	CLEANUP(mem_free_ptr) char *real = realpath(path, NULL);
	struct stat st;
	if (!real || stat(real, &st) < 0)
		return err_sys(e, errno, "%s", given);
	int rc = in_store(w, given, real, e);
	w->root = real;
	if (rc == 0 && S_ISDIR(st.st_mode))
		rc = walk_dir(w, path, &st, 0, e);
	else if (rc == 0 && S_ISREG(st.st_mode))
		rc = add_regular(w, path, real, &st, e);
	else if (rc == 0)
		rc = err_set(e, ERR_USAGE, "%s is neither a file nor a folder", given);
	w->root = NULL;
	return rc;
}

/* -- each file once --------------------------------------------------------------------------- */

static int by_inode(const void *a, const void *b)
{
	const struct import_file *x = a, *y = b;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
	const struct import_file *x = a, *y = b;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* A name of a model says more than a digest. */
static void add_names(struct import_file *to, struct import_file *from)
{
	for (size_t i = 0; i < from->names.count; i++)
		if (!str_list_has(&to->names, from->names.at[i]))
			str_list_add(&to->names, from->names.at[i]);
	for (size_t i = 1; i < to->names.count && !import_is_gguf_name(to->names.at[0]); i++) {
		char *first = to->names.at[0];
		to->names.at[0] = to->names.at[i];
		to->names.at[i] = first;
	}
	if (!to->claims && from->claims) {
		to->claims = true;
		to->claimed = from->claimed;
	}
}

static void merge(struct import_files *all)
{
	size_t kept = 0;
	if (all->count)
		qsort(all->at, all->count, sizeof *all->at, by_inode);
	for (size_t i = 0; i < all->count; i++) {
		struct import_file *f = &all->at[i], *last = kept ? &all->at[kept - 1] : NULL;
		bool again = last && last->device == f->device && last->inode == f->inode;
		if (again && last->state == f->state) {
			add_names(last, f);
			file_release(f);
		} else if (again && f->state == IMPORT_OUTSIDE) {
			file_release(f);
		} else if (again && last->state == IMPORT_OUTSIDE) {
			file_release(last);
			*last = *f;
		} else {
			all->at[kept++] = *f;
		}
	}
	all->count = kept;
	if (kept)
		qsort(all->at, kept, sizeof *all->at, by_order);
}

int import_find(const struct store *s, char *const *paths, size_t count, struct import_files *out,
		struct err *e)
{
	CLEANUP(import_files_release) struct import_files found = { 0 };
	CLEANUP(mem_free_ptr) char *root = realpath(s->home, NULL);
	struct walk w = { .store = s, .out = &found, .store_root = root };
	int rc = 0;
	if (!root || stat(root, &w.home) < 0)
		return err_sys(e, errno, "%s", s->home);
	report_begin_files(s->report, TASK, 0);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = take_root(&w, paths[i], e);
	report_end(s->report, TASK, rc == 0);
	if (rc < 0)
		return rc;
	merge(&found);
	*out = found;
	found = (struct import_files){ 0 };
	return 0;
}
