#include "catalog/sums.h"

#include "hash/onepass.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>

#define HEX_LEN (DIGEST_HEX - 1)

void sums_release(struct sums *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->at[i].name);
	free(s->at);
	*s = (struct sums){ 0 };
}

bool sums_name_ok(const char *name)
{
	for (;;) {
		size_t part = strcspn(name, "/");
		if (part == 0 || (part == 2 && strncmp(name, "..", 2) == 0))
			return false;
		if (!name[part])
			return true;
		name += part + 1;
	}
}

bool sums_is_list(const char *name)
{
	static const char *const ends[] = { ".sha256", ".sha256sum", ".sha256sums" };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends(name, ends[i]))
			return true;
	return strcmp(name, SUMS_NAME) == 0 || strcmp(name, SUMS_NAME ".txt") == 0;
}

/* ---- reading ---- */

static bool unescape(char *s)
{
	char *to = s;
	for (; *s; s++) {
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		s++;
		if (*s != 'n' && *s != 'r' && *s != '\\')
			return false;
		*to++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : '\\';
	}
	*to = '\0';
	return true;
}

/* Splits the line in place into its name and the text of its digest. */
static bool split_line(char *line, char **name, char **hex)
{
	size_t len = strlen(line);
	static const char bsd[] = "SHA256 (", middle[] = ") = ";
	size_t tail = strlen(middle) + HEX_LEN;
	if (str_starts(line, bsd)) {
		if (len <= strlen(bsd) + tail || !str_starts(line + len - tail, middle))
			return false;
		*name = line + strlen(bsd);
		*hex = line + len - HEX_LEN;
		line[len - tail] = '\0';
		return true;
	}
	if (len < HEX_LEN + 3 || line[HEX_LEN] != ' ' ||
	    (line[HEX_LEN + 1] != ' ' && line[HEX_LEN + 1] != '*'))
		return false;
	*hex = line;
	*name = line + HEX_LEN + 2;
	line[HEX_LEN] = '\0';
	return true;
}

static int parse_line(char *line, size_t len, struct sums_entry *out, const char *what,
		      size_t number, struct err *e)
{
	char *name, *hex;
	bool escaped = line[0] == '\\';
	if (strlen(line) != len || !split_line(line + escaped, &name, &hex) ||
	    !digest_parse(&out->sha256, hex) || (escaped && !unescape(name))) {
		err_set(e, ERR_INTEGRITY, "%s:%zu: not a line of a SHA-256 list", what, number);
		return err_hint(e, "lines must have the form '<64 hex digits>  <file name>', as "
				   "sha256sum writes them");
	}
	while (str_starts(name, "./"))
		name += 2;
	if (!sums_name_ok(name)) {
		err_set(e, ERR_INTEGRITY,
			"%s:%zu: the name '%s' leads out of the folder of the list", what, number,
			name);
		return err_hint(e, "names in such a list are relative to its folder");
	}
	out->name = mem_strdup(name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct sums_entry *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);
	return order ? order : (*x > *y) - (*x < *y);
}

/* Drops duplicate entries; refuses contradictory ones. */
static int make_unique(struct sums *s, const char *what, struct err *e)
{
	CLEANUP(mem_free_ptr) struct sums_entry **sorted = mem_alloc(s->count * sizeof *sorted);
	for (size_t i = 0; i < s->count; i++)
		sorted[i] = &s->at[i];
	qsort(sorted, s->count, sizeof *sorted, by_name);
	struct sums_entry *last = NULL;
	for (size_t i = 0; i < s->count; i++) {
		if (!last || strcmp(last->name, sorted[i]->name) != 0) {
			last = sorted[i];
			continue;
		}
		if (!digest_equal(&last->sha256, &sorted[i]->sha256))
			return err_set(e, ERR_INTEGRITY, "%s: '%s' has two different digests", what,
				       last->name);
		mem_free_ptr(&sorted[i]->name);
	}
	size_t kept = 0;
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].name)
			s->at[kept++] = s->at[i];
	s->count = kept;
	return 0;
}

static int parse_lines(char *text, size_t len, const char *what, struct sums *s, struct err *e)
{
	size_t number = 0;
	for (char *line = text, *end = text + len, *next; line < end; line = next) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t line_len = (size_t)((stop ? stop : end) - line);
		next = line + line_len + 1;
		number++;
		if (line_len && line[line_len - 1] == '\r')
			line_len--;
		line[line_len] = '\0';
		if (line_len == 0 || line[0] == '#')
			continue;
		if (s->count == SUMS_MAX_ENTRIES)
			return err_set(e, ERR_INTEGRITY, "%s: more than %d entries", what,
				       SUMS_MAX_ENTRIES);
		struct sums_entry entry = { 0 };
		int rc = parse_line(line, line_len, &entry, what, number, e);
		if (rc < 0)
			return rc;
		s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
		s->at[s->count++] = entry;
	}
	return make_unique(s, what, e);
}

int sums_parse(const void *data, size_t len, const char *what, struct sums *out, struct err *e)
{
	if (len > SUMS_MAX_BYTES)
		return err_set(e, ERR_INTEGRITY, "%s: larger than %llu bytes", what,
			       (unsigned long long)SUMS_MAX_BYTES);
	CLEANUP(sums_release) struct sums s = { 0 };
	CLEANUP(mem_free_ptr) char *text = len ? mem_strndup(data, len) : mem_strdup("");
	int rc = parse_lines(text, len, what, &s, e);
	if (rc < 0)
		return rc;
	*out = s;
	s = (struct sums){ 0 };
	return 0;
}

int sums_load(const char *path, struct sums *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(SUMS_MAX_BYTES);
	int rc = file_read_all(path, &text, e);
	if (rc < 0)
		return rc;
	return sums_parse(buf_str(&text), text.len, path, out, e);
}

/* ---- writing ---- */

void sums_set(struct sums *s, const char *name, const struct digest *sha256)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->at[i].name, name) == 0) {
			s->at[i].sha256 = *sha256;
			return;
		}
	}
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count++] = (struct sums_entry){ .name = mem_strdup(name), .sha256 = *sha256 };
}

static void format_name(struct buf *out, const char *name)
{
	for (; *name; name++) {
		if (*name == '\n')
			buf_adds(out, "\\n");
		else if (*name == '\r')
			buf_adds(out, "\\r");
		else if (*name == '\\')
			buf_adds(out, "\\\\");
		else
			buf_addc(out, *name);
	}
}

void sums_format(const struct sums *s, struct buf *out)
{
	for (size_t i = 0; i < s->count; i++) {
		char hex[DIGEST_HEX];
		if (strpbrk(s->at[i].name, "\\\n\r"))
			buf_addc(out, '\\');
		buf_adds(out, digest_hex(hex, &s->at[i].sha256));
		buf_adds(out, "  ");
		format_name(out, s->at[i].name);
		buf_addc(out, '\n');
	}
}

int sums_save(const struct sums *s, const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(SUMS_MAX_BYTES);
	sums_format(s, &text);
	int rc = buf_ok(&text, path, e);
	return rc < 0 ? rc : file_write_atomic(path, buf_str(&text), text.len, FILE_MODE, e);
}

/* The real path of the folder, but not of the file: links are resolved only in the folder's
 * path. */
static int real_dir(const char *path, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	char *real = realpath(dir, NULL);
	if (!real)
		return err_sys(e, errno, "%s", dir);
	*out = real;
	return 0;
}

int sums_name_for(const char *list, const char *file, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *base = NULL;
	CLEANUP(mem_free_ptr) char *dir = NULL;
	int rc = real_dir(list, &base, e);
	if (rc == 0)
		rc = real_dir(file, &dir, e);
	if (rc < 0)
		return rc;
	size_t len = strcmp(base, "/") == 0 ? 0 : strlen(base);
	if (strncmp(dir, base, len) != 0 || (dir[len] && dir[len] != '/')) {
		err_set(e, ERR_USAGE, "%s is not below the folder of %s", file, list);
		return err_hint(e, "put the list into a folder that is above all the files");
	}
	CLEANUP(mem_free_ptr) char *whole = path_join(dir, path_base(file));
	*out = mem_strdup(whole + len + 1);
	return 0;
}

/* ---- checking ---- */

int sums_check(const struct sums_entry *entry, const char *path, struct report *report,
	       const struct cancel *cancel, struct manifest_verdict *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct manifest_verdict v = { .fault = MANIFEST_OK };
	struct onepass p = { .cancel = cancel };
	struct err open_error = ERR_INIT;
	int rc = file_open_regular(path, &fd, &v.actual_size, &open_error);
	if (rc < 0 && open_error.class == ERR_NOT_FOUND) {
		v.fault = MANIFEST_MISSING;
		*out = v;
		return 0;
	}
	if (rc < 0) {
		*e = open_error;
		return rc;
	}
	rc = grid_for(v.actual_size, &p.grid, e);
	if (rc == 0)
		rc = onepass_run(&p, fd, path, report, e);
	if (rc < 0)
		return rc;
	if (!digest_equal(&p.whole, &entry->sha256))
		v.fault = MANIFEST_CONTENT;
	*out = v;
	return 0;
}
