#include "prepare/walk.h"

#include "prepare/workdir.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int too_much(const char *dir, struct err *e)
{
	err_set(e, ERR_USAGE, "%s has more than %d files, or folders more than %d deep", dir,
		WALK_MAX_FILES, WALK_MAX_DEPTH);
	return err_hint(e, "give the model's own folder, or its files");
}

/* The output of an earlier run is no source of the next one. */
static bool is_output(const char *dir)
{
	CLEANUP(mem_free_ptr) char *work = path_join(dir, WORKDIR_NAME);
	return file_is_dir(work);
}

struct walk {
	const char *top;
	char *real;              /* the same, resolved; or NULL */
	struct str_list visited; /* folders that links led to */
	struct str_list *out;
};

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return strncmp(path, dir, len) == 0 && (!path[len] || path[len] == '/' || len == 1);
}

/* A link to a folder is followed once, and not to where the walk is or comes anyway. */
static bool is_new(struct walk *w, const char *path)
{
	CLEANUP(mem_free_ptr) char *real = realpath(path, NULL);
	if (!real || !w->real || is_below(real, w->real) || is_below(w->real, real) ||
	    str_list_has(&w->visited, real))
		return false;
	str_list_add(&w->visited, real);
	return true;
}

static int walk(struct walk *w, const char *below, unsigned depth, struct err *e);

static int walk_entry(struct walk *w, const char *name, unsigned depth, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(w->top, name);
	struct stat link, st;
	if (lstat(path, &link) < 0)
		return 0;
	/* A link that leads nowhere is kept: whoever needs the file says that it is missing. */
	if (stat(path, &st) < 0)
		st = link;
	if (S_ISDIR(st.st_mode))
		return !S_ISLNK(link.st_mode) || is_new(w, path) ? walk(w, name, depth + 1, e) : 0;
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		str_list_add(w->out, name);
	return w->out->count > WALK_MAX_FILES ? too_much(w->top, e) : 0;
}

static int walk(struct walk *w, const char *below, unsigned depth, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = *below ? path_join(w->top, below) : mem_strdup(w->top);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (depth > WALK_MAX_DEPTH)
		return too_much(w->top, e);
	if (depth && is_output(dir))
		return 0;
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *name = *below ? path_join(below, names.at[i])
							  : mem_strdup(names.at[i]);
		if (names.at[i][0] != '.')
			rc = walk_entry(w, name, depth, e);
	}
	return rc;
}

int walk_files(const char *dir, struct str_list *out, struct err *e)
{
	struct walk w = { .top = dir, .real = realpath(dir, NULL), .out = out };
	int rc = walk(&w, "", 0, e);
	free(w.real);
	str_list_release(&w.visited);
	return rc;
}
