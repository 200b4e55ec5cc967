#include "check/internal.h"

#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- the file of an entry ---- */

/* The path of a name in the folder, if there is such a file. */
static char *there(const char *dir, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = check_below(dir, name);
	return sums_name_ok(name) && file_exists(path) ? STEAL(path) : NULL;
}

/* Of an absolute path the longest end that is there. */
static char *end_there(const char *dir, const char *name)
{
	char *found = NULL;
	while (!found && (name = strchr(name, '/')) != NULL)
		found = there(dir, ++name);
	return found;
}

/* As sha256sum of Windows and people who align columns write names, and with the size in front, as
 * in the lists of Debian. */
static char *variant_there(const char *dir, const char *name)
{
	name += strspn(name, " \t*");
	size_t size = strspn(name, "0123456789");
	if (size && strchr(" \t", name[size]))
		name += size + strspn(name + size, " \t");
	CLEANUP(mem_free_ptr) char *bare = mem_strdup(name);
	for (size_t len = strlen(bare); len && strchr(" \t", bare[len - 1]); len--)
		bare[len - 1] = '\0';
	char *found = there(dir, bare);
	for (char *c = bare; (c = strchr(c, '\\')) != NULL;)
		*c = '/';
	return found ? found : there(dir, strncmp(bare, "./", 2) == 0 ? bare + 2 : bare);
}

/* The path of the entry's file: as it is named, or as it was meant if only that is there. */
static char *path_of(const char *dir, const struct sums_entry *entry, const char *only)
{
	char *found = there(dir, entry->name);
	if (!found)
		found = entry->moved ? end_there(dir, entry->name)
				     : variant_there(dir, entry->name);
	if (!found && only && strcmp(path_base(entry->name), only) == 0)
		found = there(dir, only);
	if (found)
		return found;
	return check_below(dir, entry->moved ? path_base(entry->name) : entry->name);
}

/* ---- the list ---- */

#define LINES_SHOWN 10

/* The wrong lines of the list, or NULL. */
static char *tell_lines(const struct sums *s)
{
	struct buf out = BUF_INIT(16 * KIB);
	size_t lines = 0;
	for (size_t i = 0; i < s->fault_count; i++)
		if (!s->faults[i].name && lines++ < LINES_SHOWN)
			buf_addf(&out, "%s%s", out.len ? "; " : "", s->faults[i].why);
	if (lines > LINES_SHOWN)
		buf_adds(&out, "; and more");
	return lines ? buf_steal(&out) : NULL;
}

static void add_faults(struct check *c, const char *dir, const char *path, const struct sums *s)
{
	CLEANUP(mem_free_ptr) char *lines = tell_lines(s);
	for (size_t i = 0; i < s->fault_count; i++) {
		const struct sums_fault *f = &s->faults[i];
		if (!f->name)
			continue;
		char *file = check_below(dir, f->name);
		check_add_item(c, file, CHECK_INVALID)->reason = mem_printf("%s: %s", path, f->why);
	}
	if (lines)
		check_add_item(c, mem_strdup(path), CHECK_INVALID)->reason = STEAL(lines);
}

static int empty(struct check *c, const char *path)
{
	struct err why = ERR_INIT;
	(void)!err_set(&why, ERR_INTEGRITY, "it has no digest of a file");
	return check_add_invalid(c, path, &why);
}

int check_add_list(struct check *c, const char *path)
{
	CLEANUP(sums_release) struct sums s = { 0 };
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	CLEANUP(mem_free_ptr) char *of = sums_file_of(path_base(path));
	struct err why = ERR_INIT;
	if (sums_load(path, &s, &why) < 0)
		return check_add_invalid(c, path, &why);
	if (s.count == 0 && s.fault_count == 0)
		return empty(c, path);
	for (size_t i = 0; i < s.count; i++) {
		/* `sha256sum * > SHA256SUMS` lists the list, when it was empty. */
		if (strcmp(s.at[i].name, path_base(path)) == 0) {
			str_list_take(&c->notes, mem_printf("%s: its own digest skipped", path));
			continue;
		}
		char *file = path_of(dir, &s.at[i], s.count == 1 ? of : NULL);
		struct check_item *item = check_add_item(c, file, CHECK_OK);
		item->list = mem_strdup(path);
		item->listed = s.at[i].sha256;
	}
	add_faults(c, dir, path, &s);
	if (s.skipped)
		str_list_take(&c->notes, mem_printf("%s: %s", path, s.skipped));
	return 0;
}

static bool is_text(const char *path)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(SUMS_MAX_BYTES);
	struct err ignored = ERR_INIT;
	if (file_read_all(path, &text, &ignored) < 0)
		return false;
	encoding_to_utf8(&text);
	return text.len && strlen(buf_str(&text)) == text.len;
}

bool check_is_list(const char *path, struct err *why)
{
	CLEANUP(sums_release) struct sums s = { 0 };
	return is_text(path) && sums_load(path, &s, why) == 0 && (s.count || s.fault_count);
}
