#include "prepare/walk.h"

#include "prepare/workdir.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

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

static int walk(const char *top, const char *below, unsigned depth, struct str_list *out,
		struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = *below ? path_join(top, below) : mem_strdup(top);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (depth > WALK_MAX_DEPTH)
		return too_much(top, e);
	if (depth && is_output(dir))
		return 0;
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		struct stat st;
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		CLEANUP(mem_free_ptr) char *name = *below ? path_join(below, names.at[i])
							  : mem_strdup(names.at[i]);
		if (names.at[i][0] == '.' || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			rc = walk(top, name, depth + 1, out, e);
		else if (!file_is_dir(path))
			str_list_take(out, STEAL(name));
		if (out->count > WALK_MAX_FILES)
			rc = too_much(top, e);
	}
	return rc;
}

int walk_files(const char *dir, struct str_list *out, struct err *e)
{
	return walk(dir, "", 0, out, e);
}
