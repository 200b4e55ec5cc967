#include "publish/verified.h"

#include "mirror/folder.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERIFIED_FOLDER FOLDER_PRIVATE "/push"
/* In place of an etag; in an etag it would be encoded. */
#define WRONG "!"

static int compare_entries(const void *a, const void *b)
{
	const struct record_entry *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	/* Later lines are later in the text. */
	return order ? order : (x->key > y->key) - (x->key < y->key);
}

/* Cuts off the word at *at. NULL: there is none. */
static char *next_word(char **at)
{
	char *word = *at, *end = word ? strchr(word, ' ') : NULL;
	if (end)
		*end++ = '\0';
	*at = end;
	return word && *word ? word : NULL;
}

/* "<sha256> <size> <modified> <etag> <key>" */
static bool line_parse(char *line, struct record_entry *out)
{
	struct record_entry entry = { 0 };
	uint64_t modified = 0;
	const char *sha256 = next_word(&line), *size = next_word(&line);
	const char *time = next_word(&line);
	entry.etag = next_word(&line);
	entry.key = next_word(&line);
	if (!sha256 || !size || !time || !entry.etag || !entry.key || line ||
	    !digest_parse(&entry.sha256, sha256) || !parse_u64(size, &entry.size) ||
	    !parse_u64(time, &modified) || modified > INT64_MAX)
		return false;
	entry.modified_s = (int64_t)modified;
	*out = entry;
	return true;
}

static void keep_last_of_each(struct verified *r)
{
	size_t kept = 0;
	qsort(r->at, r->count, sizeof *r->at, compare_entries);
	for (size_t i = 0; i < r->count; i++)
		if (i + 1 == r->count || strcmp(r->at[i].key, r->at[i + 1].key) != 0)
			r->at[kept++] = r->at[i];
	r->count = kept;
}

/* Cuts off the line at *at, which ends at `end` at the latest: there is a NUL. */
static char *next_line(char **at, char *end)
{
	char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));
	if (stop)
		*stop = '\0';
	*at = stop ? stop + 1 : end;
	return line;
}

static void take_text(struct verified *r)
{
	char *at = r->text.data, *end = at + r->text.len;
	r->fresh = strcmp(next_line(&at, end), r->first_line) != 0;
	while (!r->fresh && at < end) {
		struct record_entry entry;
		if (!line_parse(next_line(&at, end), &entry))
			continue;
		r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
		r->at[r->count++] = entry;
	}
	if (r->count)
		keep_last_of_each(r);
}

void verified_parse(struct verified *r, const char *text, size_t len)
{
	buf_add(&r->text, text, len);
	buf_addc(&r->text, '\n');
	if (!r->text.overflow)
		take_text(r);
}

static void entry_line(struct buf *out, const struct record_entry *entry)
{
	char hex[DIGEST_HEX];
	buf_addf(out, "%s %llu %lld %s %s\n", digest_hex(hex, &entry->sha256),
		 (unsigned long long)entry->size, (long long)entry->modified_s, entry->etag,
		 entry->key);
}

/* When most lines are superseded, the file is rewritten. */
static void compact(struct verified *r, size_t bytes)
{
	struct err ignored = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(VERIFIED_MAX_BYTES);
	buf_addf(&text, "%s\n", r->first_line);
	for (size_t i = 0; i < r->count; i++)
		entry_line(&text, &r->at[i]);
	if (bytes > 64 * KIB && text.len < bytes / 2)
		(void)!file_write_own(r->path, text.data, text.len, FILE_MODE, &ignored);
}

void verified_open(struct verified *r, const char *dir, const char *id, const char *place)
{
	struct err ignored = ERR_INIT;
	*r = (struct verified)VERIFIED_INIT;
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(place ? place : "", "/:");
	r->first_line = mem_printf("ferry-push-record 1 %s:%s", id, encoded);
	if (!dir)
		return;
	r->path = mem_printf("%s/%s/%s", dir, VERIFIED_FOLDER, id);
	r->fresh = true;
	if (file_read_all(r->path, &r->text, &ignored) == 0 && r->text.len) {
		take_text(r);
		if (!r->fresh)
			compact(r, r->text.len);
	}
}

void verified_close(struct verified *r)
{
	free(r->at);
	buf_release(&r->text);
	free(r->path);
	free(r->first_line);
	file_close(&r->fd);
	*r = (struct verified)VERIFIED_INIT;
}

static bool etag_is(const char *encoded, const char *etag)
{
	CLEANUP(mem_free_ptr) char *want = path_percent_encode(etag, "");
	return strcmp(encoded, *want ? want : "-") == 0;
}

/* The entry of the file's key, of this content; or NULL. */
static const struct record_entry *find(const struct verified *r, const struct repository_file *f)
{
	CLEANUP(mem_free_ptr) char *key = path_percent_encode(f->key, "/");
	for (size_t low = 0, high = r->count; low < high;) {
		size_t middle = low + (high - low) / 2;
		const struct record_entry *entry = &r->at[middle];
		int order = strcmp(key, entry->key);
		if (order == 0)
			return digest_equal(&entry->sha256, &f->sha256) ? entry : NULL;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool verified_vouches(const struct verified *r, const struct repository_file *f,
		      const struct mirror_stat *st)
{
	const struct record_entry *entry = find(r, f);
	/* Without a time or an etag, changes cannot be noticed, so nothing is recorded. */
	bool marked = st->etag[0] || st->modified_s;
	/* Some kinds report no time after an upload; then the etag is enough. */
	bool timely = entry &&
		      (entry->modified_s == st->modified_s || (!entry->modified_s && st->etag[0]));
	return marked && timely && entry->size == st->size && etag_is(entry->etag, st->etag);
}

bool verified_is_wrong(const struct verified *r, const struct repository_file *f)
{
	const struct record_entry *entry = find(r, f);
	return entry && strcmp(entry->etag, WRONG) == 0;
}

bool verified_is_changed(const struct verified *r, const struct repository_file *f,
			 const struct mirror_stat *st)
{
	const struct record_entry *entry = find(r, f);
	bool marked = entry && st->etag[0] && strcmp(entry->etag, WRONG) != 0 &&
		      strcmp(entry->etag, "-") != 0;
	return marked && !etag_is(entry->etag, st->etag);
}

/* Opened for the first entry, so that a push that does nothing writes nothing. */
static int writable(struct verified *r)
{
	struct err ignored = ERR_INIT;
	if (r->fd >= 0 || !r->path)
		return r->fd;
	if (file_mkdirs_for(r->path, FILE_DIR_MODE, &ignored) < 0)
		return -1;
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC |
		    (r->fresh ? O_TRUNC : 0);
	r->fd = open(r->path, flags, FILE_MODE);
	/* Start with a newline, to end a line that a killed process may have left incomplete. */
	CLEANUP(mem_free_ptr) char *start = r->fresh ? mem_printf("%s\n", r->first_line)
						     : mem_strdup("\n");
	if (r->fd >= 0)
		(void)!file_write(r->fd, start, strlen(start), r->path, &ignored);
	return r->fd;
}

static void append(struct verified *r, const struct repository_file *f, struct record_entry entry)
{
	struct err ignored = ERR_INIT;
	CLEANUP(buf_release) struct buf line = BUF_INIT(8 * KIB);
	CLEANUP(mem_free_ptr) char *key = path_percent_encode(f->key, "/");
	int fd = writable(r);
	entry.key = key;
	entry.sha256 = f->sha256;
	entry_line(&line, &entry);
	if (fd >= 0)
		(void)!file_write(fd, line.data, line.len, r->path, &ignored);
}

void verified_add(struct verified *r, const struct repository_file *f, const struct mirror_stat *st)
{
	struct record_entry entry = { .size = st->size, .modified_s = st->modified_s };
	/* At least, it is not known to be wrong any more. */
	bool marked = st->etag[0] || st->modified_s;
	if (!marked && !verified_is_wrong(r, f))
		return;
	CLEANUP(mem_free_ptr) char *etag = path_percent_encode(st->etag, "");
	entry.etag = *etag ? etag : "-";
	append(r, f, entry);
}

void verified_withdraw(struct verified *r, const struct repository_file *f)
{
	append(r, f, (struct record_entry){ .etag = WRONG });
}
