#include "prepare/workdir.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_PREFIX "scratch."
#define LOCK_NAME "lock"
#define TEMPORARY_AGE_S 60

void workdir_scratch_release(char **path)
{
	if (*path)
		file_remove_tree(*path);
	free(*path);
	*path = NULL;
}

/* Removes temporary files of killed processes; recent ones may belong to another command. */
static int remove_temporaries(const char *dir, int64_t now_s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		struct stat st;
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		if (file_is_temporary(names.at[i]) && lstat(path, &st) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < now_s - TEMPORARY_AGE_S)
			unlink(path);
	}
	return rc;
}

static int remove_leftovers(const struct workdir *w, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(w->path, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		if (!str_starts(names.at[i], SCRATCH_PREFIX))
			continue;
		CLEANUP(mem_free_ptr) char *path = path_join(w->path, names.at[i]);
		file_remove_tree(path);
	}
	return rc;
}

int workdir_open(const char *output_dir, int64_t now_s, struct workdir *out, struct err *e)
{
	CLEANUP(workdir_close) struct workdir w = WORKDIR_INIT;
	w.path = path_join(output_dir, WORKDIR_NAME);
	CLEANUP(mem_free_ptr) char *lock = path_join(w.path, LOCK_NAME);
	int rc = file_mkdirs(w.path, FILE_DIR_MODE, e);
	if (rc < 0) {
		err_class_set(e, ERR_SYSTEM);
		return err_hint(e, "choose another folder with -o");
	}
	rc = file_lock(lock, 0, NULL, &w.lock, e);
	if (rc < 0 && err_is(e, ERR_CONFLICT)) {
		err_context(e, "another process is preparing into %s", output_dir);
		return err_hint(e, "wait until it has finished, or choose another folder with -o");
	}
	/* Without a lock, another process may be using its scratch folder. */
	if (rc == 0 && w.lock >= 0)
		rc = remove_leftovers(&w, e);
	if (rc == 0 && w.lock >= 0)
		rc = remove_temporaries(w.path, now_s, e);
	if (rc == 0 && w.lock >= 0)
		rc = remove_temporaries(output_dir, now_s, e);
	if (rc < 0)
		return rc;
	*out = w;
	w = (struct workdir)WORKDIR_INIT;
	return 0;
}

void workdir_close(struct workdir *w)
{
	file_close(&w->lock);
	free(w->path);
	w->path = NULL;
}

int workdir_scratch(const struct workdir *w, char **path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *made = path_join(w->path, SCRATCH_PREFIX "XXXXXX");
	if (!mkdtemp(made))
		return err_sys(e, errno, "cannot create a folder in %s", w->path);
	*path = STEAL(made);
	return 0;
}
