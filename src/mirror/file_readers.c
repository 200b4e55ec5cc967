/* Can readers read what a file mirror holds? They are other users: above all a web server's. */
#include "mirror/file.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct look {
	const struct cancel *cancel;
	char *first; /* the path of the first that cannot be used */
	size_t count;
};

/* The bits of others, or of a group that this user is not alone in. */
static bool has_bits(const struct stat *st, mode_t of_others)
{
	return (st->st_mode & of_others) ||
	       ((st->st_mode & (of_others << 3)) && st->st_gid != getegid());
}

static void look_at(struct look *l, const char *path, const char *top);

static void look_below(struct look *l, const char *dir, const char *top)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	(void)!file_list_dir(dir, &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		bool ours = dir == top && strcmp(names.at[i], FILE_MIRROR_PRIVATE) == 0;
		if (!ours && !file_is_temporary(names.at[i]))
			look_at(l, path, top);
	}
}

static void look_at(struct look *l, const char *path, const char *top)
{
	struct stat st;
	struct err stop = ERR_INIT;
	if (lstat(path, &st) < 0 || cancel_check(l->cancel, &stop) < 0)
		return;
	bool folder = S_ISDIR(st.st_mode);
	if ((folder || S_ISREG(st.st_mode)) && !has_bits(&st, folder ? S_IXOTH : S_IROTH)) {
		if (!l->count++)
			l->first = mem_strdup(path);
	}
	if (folder)
		look_below(l, path, top);
}

int mirror_file_readers(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	const struct file_mirror *f = c->mirror->state;
	struct look l = { .cancel = c->mirror->env.cancel };
	if (f->closed)
		return 0;
	CLEANUP(mem_free_ptr) char *top = path_absolute(f->path);
	look_at(&l, top, top);
	CLEANUP(mem_free_ptr) char *first = l.first;
	if (!l.count)
		return cancel_check(l.cancel, e);
	mirror_findings_add(out, "readers", MIRROR_FINDING_LACKS,
			    "other users, such as a web server, cannot read %zu of its files and "
			    "folders, for example %s",
			    l.count, first);
	out->at[out->count - 1].hint = mem_printf("run `chmod -R a+rX %s`, or if that is intended: "
						  "mode = private in ferry.conf",
						  top);
	return cancel_check(l.cancel, e);
}
