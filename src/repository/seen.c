#include "repository/seen.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/text.h"

#include <fcntl.h>
#include <string.h>

#define FIRST_LINE "ferry-seen 1"
#define DAMAGED "damaged"
#define MAX_BYTES (512 * MIB)
#define MANY 256

static int compare(const void *a, const void *b)
{
	const struct seen_entry *x = a, *y = b;
	int order = memcmp(&x->sha256, &y->sha256, sizeof x->sha256);
	return order ? order : memcmp(&x->mark, &y->mark, sizeof x->mark);
}

static struct seen_entry entry_of(const struct digest *sha256, const struct mark *m)
{
	return (struct seen_entry){ .sha256 = *sha256, .mark = *m };
}

static void forget(struct seen *s, const struct digest *sha256)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->count; i++)
		if (!digest_equal(&s->at[i].sha256, sha256))
			s->at[kept++] = s->at[i];
	s->count = kept;
}

/* "<sha256> <size> <modified_ns> <inode>", or "<sha256> damaged" */
static void parse_line(struct seen *s, char *line)
{
	struct digest sha256;
	struct mark m;
	char *space = strchr(line, ' ');
	if (!space)
		return;
	*space = '\0';
	if (!digest_parse(&sha256, line))
		return;
	if (strcmp(space + 1, DAMAGED) == 0)
		forget(s, &sha256);
	if (!mark_parse(space + 1, &m))
		return;
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count++] = entry_of(&sha256, &m);
}

/* New entries wait unsorted at the end until there are many. */
static void sort(struct seen *s)
{
	if (s->count)
		qsort(s->at, s->count, sizeof *s->at, compare);
	s->sorted = s->count;
}

static void parse(struct seen *s, const char *text)
{
	struct str_list lines = { 0 };
	str_list_split(&lines, text, "\n");
	bool ours = lines.count && strcmp(lines.at[0], FIRST_LINE) == 0;
	for (size_t i = 1; ours && i < lines.count; i++)
		parse_line(s, lines.at[i]);
	str_list_release(&lines);
	s->fresh = !ours;
	sort(s);
}

void seen_open(struct seen *s, const char *dir)
{
	struct err unread = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	*s = (struct seen){ .path = mem_printf("%s/.ferry/seen", dir), .fresh = true, .fd = -1 };
	if (file_read_all(s->path, &text, &unread) == 0)
		parse(s, buf_str(&text));
}

void seen_close(struct seen *s)
{
	if (s->path)
		file_close(&s->fd);
	free(s->path);
	free(s->at);
	*s = (struct seen){ 0 };
}

static int compare_digest(const void *key, const void *b)
{
	const struct seen_entry *y = b;
	return memcmp(key, &y->sha256, sizeof y->sha256);
}

bool seen_any(const struct seen *s, const struct digest *sha256)
{
	for (size_t i = s->sorted; i < s->count; i++)
		if (digest_equal(&s->at[i].sha256, sha256))
			return true;
	return s->sorted && bsearch(sha256, s->at, s->sorted, sizeof *s->at, compare_digest);
}

void seen_forget(const char *dir, const struct digest *sha256)
{
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/.ferry/seen", dir);
	CLEANUP(mem_free_ptr) char *line = mem_printf("\n%s %s\n", digest_hex(hex, sha256),
						      DAMAGED);
	CLEANUP(file_close) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd >= 0)
		(void)!file_write(fd, line, strlen(line), path, &ignored);
}

bool seen_knows(const struct seen *s, const struct digest *sha256, const struct mark *m)
{
	struct seen_entry wanted = entry_of(sha256, m);
	for (size_t i = s->sorted; i < s->count; i++)
		if (compare(&s->at[i], &wanted) == 0)
			return true;
	return s->sorted && bsearch(&wanted, s->at, s->sorted, sizeof *s->at, compare);
}

static bool open_for_append(struct seen *s)
{
	struct err ignored = ERR_INIT;
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (s->fresh ? O_TRUNC : 0);
	if (s->fd < 0 && file_mkdirs_for(s->path, FILE_DIR_MODE, &ignored) == 0)
		s->fd = open(s->path, flags, FILE_MODE);
	return s->fd >= 0;
}

static void append(struct seen *s, const struct seen_entry *entry)
{
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX], mark[MARK_TEXT];
	if (!open_for_append(s))
		return;
	/* A newline first, to end a line that a killed process may have left incomplete. */
	CLEANUP(mem_free_ptr) char *line = mem_printf("%s\n%s %s\n", s->fresh ? FIRST_LINE : "",
						      digest_hex(hex, &entry->sha256),
						      mark_text(mark, &entry->mark));
	if (file_write(s->fd, line, strlen(line), s->path, &ignored) == 0)
		s->fresh = false;
}

void seen_add(struct seen *s, const struct digest *sha256, const struct mark *m)
{
	struct seen_entry entry = entry_of(sha256, m);
	if (seen_knows(s, sha256, m))
		return;
	s->at = mem_grow(s->at, s->count, &s->cap, sizeof *s->at);
	s->at[s->count++] = entry;
	if (s->count - s->sorted > MANY + s->sorted / 8)
		sort(s);
	append(s, &entry);
}
