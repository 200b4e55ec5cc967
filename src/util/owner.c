#include "util/owner.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void owner_trust_release(struct owner_trust *t)
{
	str_list_release(&t->dirs);
	*t = (struct owner_trust){ 0 };
}

/* SUDO_UID and SUDO_GID; only root can believe them, since anybody can set them. */
static bool is_sudo(const char *variable, unsigned id)
{
	const char *text = geteuid() == 0 ? getenv(variable) : NULL;
	uint64_t caller;
	return text && parse_u64(text, &caller) && caller == id;
}

static bool is_trusted_user(uid_t user, const struct owner_trust *t)
{
	return user == geteuid() || user == 0 || is_sudo("SUDO_UID", user) ||
	       (t && t->has_user && t->user == user);
}

/* Is the file in one of the folders that are trusted as a whole? */
static bool is_in_trusted_dir(const char *path, const struct owner_trust *t)
{
	CLEANUP(mem_free_ptr) char *dir = file_is_dir(path) ? mem_strdup(path) : path_dir(path);
	CLEANUP(mem_free_ptr) char *real = realpath(dir, NULL);
	for (size_t i = 0; t && i < t->dirs.count; i++) {
		CLEANUP(mem_free_ptr) char *safe = realpath(t->dirs.at[i], NULL);
		size_t len = safe ? strlen(safe) : 0;
		if (strcmp(t->dirs.at[i], "*") == 0)
			return true;
		if (real && len && strncmp(real, safe, len) == 0 &&
		    (safe[len - 1] == '/' || real[len] == '/' || !real[len]))
			return true;
	}
	return false;
}

static int err_owner(const char *path, uid_t user, struct err *e)
{
	char text[16 * KIB];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(user, &entry, text, sizeof text, &found) == 0 && found)
		return err_set(e, ERR_USAGE, "%s belongs to another user, %s", path, entry.pw_name);
	return err_set(e, ERR_USAGE, "%s belongs to another user, number %u", path, (unsigned)user);
}

static bool is_own_group(gid_t group)
{
	return group == getegid() || is_sudo("SUDO_GID", group);
}

/* Is the group to share it, because somebody set it up like this? */
static bool is_shared(const char *path, const struct stat *st)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	struct stat in;
	if (S_ISDIR(st->st_mode))
		return st->st_mode & S_ISGID;
	return stat(dir, &in) == 0 && (in.st_mode & S_ISGID) && in.st_gid == st->st_gid;
}

static int check_mode(const char *path, const struct stat *st, struct err *e)
{
	bool by_group = (st->st_mode & S_IWGRP) && !is_own_group(st->st_gid) &&
			!is_shared(path, st);
	if (S_ISLNK(st->st_mode) || (!by_group && !(st->st_mode & S_IWOTH)))
		return 0;
	return err_set(e, ERR_USAGE, "%s: other users can write this %s", path,
		       S_ISDIR(st->st_mode) ? "folder" : "file");
}

static int check(const char *path, const struct stat *st, const struct owner_trust *t,
		 struct err *e)
{
	if (is_in_trusted_dir(path, t))
		return 0;
	return is_trusted_user(st->st_uid, t) ? check_mode(path, st, e)
					      : err_owner(path, st->st_uid, e);
}

/* Whoever made a link decided where it leads. */
static int check_link(const char *path, const struct owner_trust *t, struct err *e)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? check(path, &st, t, e) : 0;
}

int owner_check(const char *path, const struct owner_trust *trust, struct err *e)
{
	struct stat st;
	int rc = check_link(path, trust, e);
	return rc == 0 && stat(path, &st) == 0 ? check(path, &st, trust, e) : rc;
}

int owner_check_dir(const char *path, const struct owner_trust *trust, struct err *e)
{
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	bool shared = (st.st_mode & (S_ISGID | S_IWGRP | S_IWOTH)) == (S_ISGID | S_IWGRP);
	return shared && access(path, W_OK) == 0 ? 0 : check(path, &st, trust, e);
}

/* The file that is checked is the one that is read, even if somebody replaces it meanwhile. */
int owner_read(const char *path, const struct owner_trust *trust, struct buf *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct stat st;
	uint64_t size;
	int rc = check_link(path, trust, e);
	if (rc == 0)
		rc = file_open_regular(path, &fd, &size, e);
	if (rc == 0 && fstat(fd, &st) < 0)
		rc = err_sys(e, errno, "%s", path);
	if (rc == 0)
		rc = check(path, &st, trust, e);
	return rc < 0 ? rc : file_read_rest(fd, path, out, e);
}
