#include "store/partials.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAD ".bad"
#define BAD_MAX 1000

/* -- names --------------------------------------------------------------------------------- */

static void choose_id(char id[STORE_PARTIAL_ID])
{
	uint64_t value = random_below(NULL, UINT64_MAX);
	snprintf(id, STORE_PARTIAL_ID, "%016llx", (unsigned long long)value);
}

static char *name(const struct store *s, const struct store_partial *p, const char *suffix)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/partial/%s%s%s.%s", s->home, digest_hex(hex, &p->sha256),
			  p->id[0] ? "." : "", p->id, suffix);
}

void store_partial_init(const struct store *s, const struct digest *d, const char *id,
			struct store_partial *out)
{
	struct store_partial p = { .sha256 = *d };
	if (id)
		snprintf(p.id, sizeof p.id, "%s", id);
	else
		choose_id(p.id);
	p.part = name(s, &p, "part");
	p.journal = name(s, &p, "journal");
	p.lock = name(s, &p, "lock");
	*out = p;
}

void store_partial_release(struct store_partial *p)
{
	mem_free_ptr(&p->part);
	mem_free_ptr(&p->journal);
	mem_free_ptr(&p->lock);
}

static bool is_id(const char *at)
{
	return strspn(at, "0123456789abcdef") == STORE_PARTIAL_ID - 1 &&
	       at[STORE_PARTIAL_ID - 1] == '.';
}

static bool is_suffix(const char *at)
{
	return strcmp(at, "part") == 0 || strcmp(at, "lock") == 0 || strcmp(at, "journal") == 0 ||
	       str_starts(at, "journal" BAD);
}

/* Of any of its files. */
static bool parse_name(const char *file, struct digest *d, char id[STORE_PARTIAL_ID])
{
	char hex[DIGEST_HEX];
	const char *at = file + DIGEST_HEX;
	if (strcspn(file, ".") != DIGEST_HEX - 1 || file[DIGEST_HEX - 1] != '.')
		return false;
	snprintf(hex, sizeof hex, "%s", file);
	id[0] = '\0';
	if (is_id(at)) {
		snprintf(id, STORE_PARTIAL_ID, "%s", at);
		at += STORE_PARTIAL_ID;
	}
	return is_suffix(at) && digest_parse(d, hex);
}

/* -- the list ------------------------------------------------------------------------------ */

/* How many temporary names beside the blobs the file has. */
static size_t temporary_names(const struct store *s, const struct store_partial *p,
			      const struct stat *st, bool really_remove)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "blobs/sha256");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *start = mem_printf(".%s.", digest_hex(hex, &p->sha256));
	size_t count = 0;
	(void)!file_list_dir(dir, &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct stat is;
		if (!str_starts(names.at[i], start) || !file_is_temporary(names.at[i]) ||
		    lstat(path, &is) < 0 || is.st_dev != st->st_dev || is.st_ino != st->st_ino)
			continue;
		count++;
		if (really_remove)
			unlink(path);
	}
	return count;
}

void store_partial_disentangle(const struct store *s, const struct store_partial *p)
{
	struct stat st;
	if (lstat(p->part, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1)
		(void)temporary_names(s, p, &st, true);
}

static void look_at(const struct store *s, struct store_partial *p)
{
	struct stat st;
	p->exists = lstat(p->part, &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_nlink == 1 || st.st_nlink == 1 + temporary_names(s, p, &st, false));
	if (!p->exists)
		return;
	p->size = (uint64_t)st.st_size;
	p->there = MIN((uint64_t)st.st_blocks * 512, p->size);
	p->changed_s = st.st_mtime;
}

void store_partials_release(struct store_partials *l)
{
	for (size_t i = 0; i < l->count; i++)
		store_partial_release(&l->at[i]);
	free(l->at);
	*l = (struct store_partials){ 0 };
}

/* Sorted: the files of one stand together. */
static void list_one(const struct store *s, const char *file, const struct digest *only,
		     struct store_partials *out)
{
	const struct store_partial *last = out->count ? &out->at[out->count - 1] : NULL;
	struct store_partial p;
	struct digest d;
	char id[STORE_PARTIAL_ID];
	if (!parse_name(file, &d, id) || (only && !digest_equal(&d, only)) ||
	    (last && digest_equal(&d, &last->sha256) && strcmp(id, last->id) == 0))
		return;
	store_partial_init(s, &d, id, &p);
	look_at(s, &p);
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof p);
	out->at[out->count++] = p;
}

int store_partials_list(const struct store *s, const struct digest *d, struct store_partials *out,
			struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "partial");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct store_partials found = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		list_one(s, names.at[i], d, &found);
	if (rc == 0)
		*out = found;
	return rc;
}

/* -- changing them ------------------------------------------------------------------------- */

bool store_partial_rename(const struct store_partial *from, const struct store_partial *to)
{
	if (os_rename_exclusive(AT_FDCWD, from->part, AT_FDCWD, to->part) != 0)
		return false;
	/* Without its journal, good pieces are found by hashing. */
	unlink(to->journal);
	int ignored = rename(from->journal, to->journal);
	(void)ignored;
	return true;
}

int store_partial_set_aside(const char *journal, char **path, struct err *e)
{
	for (int n = 1; n < BAD_MAX; n++) {
		CLEANUP(mem_free_ptr) char *to = n == 1 ? mem_printf("%s" BAD, journal)
							: mem_printf("%s" BAD ".%d", journal, n);
		int why = os_rename_exclusive(AT_FDCWD, journal, AT_FDCWD, to);
		if (why == 0) {
			*path = STEAL(to);
			return 0;
		}
		if (why != EEXIST)
			return err_sys(e, why, "cannot rename %s to %s", journal, to);
	}
	err_set(e, ERR_SYSTEM, "%s: too many journals were set aside", journal);
	return err_hint(e, "remove the files %s" BAD "*", journal);
}

static int remove_bad_journals(const char *journal, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(journal);
	CLEANUP(mem_free_ptr) char *start = mem_printf("%s" BAD, path_base(journal));
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		if (str_starts(names.at[i], start))
			rc = file_remove(path, e);
	}
	return rc;
}

int store_partial_remove(const struct store *s, const struct store_partial *p, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	bool works = true;
	/* Held while the files go, so that nobody begins with them meanwhile. */
	int rc = store_partial_lock(s, p, &fd, &works, e);
	if (rc == 0 && !works && store_partial_is_held(s, p)) {
		CLEANUP(mem_free_ptr) char *holder = store_partial_holder(p);
		rc = err_set(e, ERR_CONFLICT, "%s is used by %s", p->part, holder);
	}
	if (rc == 0)
		rc = file_remove(p->part, e);
	if (rc == 0)
		rc = file_remove(p->journal, e);
	if (rc == 0)
		rc = remove_bad_journals(p->journal, e);
	return rc < 0 ? rc : file_remove(p->lock, e);
}

void store_partials_tidy(const struct store *s, const struct digest *d)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	struct err ignored = ERR_INIT;
	if (s->read_only || store_partials_list(s, d, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all.count; i++) {
		struct err why = ERR_INIT;
		(void)!store_partial_remove(s, &all.at[i], &why);
	}
}
