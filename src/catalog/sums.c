#include "catalog/sums.h"

#include "hash/onepass.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>

void sums_release(struct sums *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->at[i].name);
	for (size_t i = 0; i < s->fault_count; i++) {
		free(s->faults[i].name);
		free(s->faults[i].why);
	}
	free(s->at);
	free(s->faults);
	free(s->skipped);
	*s = (struct sums){ 0 };
}

/* ---- names ---- */

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

/* Where in `name` the last word begins, if it is one of these, in front of ".txt" and behind one of
 * ".-_" or nothing; else NULL. */
static const char *last_word(const char *name, const char *const *words, size_t count)
{
	size_t len = strlen(name);
	if (len > 4 && str_eq_nocase(name + len - 4, ".txt"))
		len -= 4;
	for (size_t i = 0; i < count; i++) {
		size_t word = strlen(words[i]);
		if (len < word || !str_starts_nocase(name + len - word, words[i]))
			continue;
		if (len == word || strchr(".-_", name[len - word - 1]))
			return name + len - word;
	}
	return NULL;
}

static const char *list_word(const char *name)
{
	static const char *const words[] = {
		"sha256",    "sha256sum",  "sha256sums", "checksum",
		"checksums", "shasums256", "sha2-256",
	};
	return last_word(name, words, ARRAY_LEN(words));
}

bool sums_is_list(const char *name)
{
	return list_word(name) != NULL;
}

bool sums_is_other_list(const char *name)
{
	static const char *const words[] = {
		"md5",    "md5sum",    "md5sums",    "sha1",       "sha1sum",   "sha1sums",
		"sha224", "sha224sum", "sha224sums", "sha384",     "sha384sum", "sha384sums",
		"sha512", "sha512sum", "sha512sums", "shasums512", "b2",        "b2sum",
		"b2sums", "b3",        "b3sum",      "b3sums",     "blake2b",   "blake3",
		"crc32",  "sfv",
	};
	return last_word(name, words, ARRAY_LEN(words)) != NULL;
}

char *sums_file_of(const char *name)
{
	const char *word = list_word(name);
	return word && word > name + 1 && word[-1] == '.'
		       ? mem_strndup(name, (size_t)(word - name) - 1)
		       : NULL;
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
