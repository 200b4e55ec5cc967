#include "settings/conf.h"

#include "util/buf.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

static int by_hand(const char *path, struct err *e)
{
	err_set(e, ERR_USAGE, "%s: this change would also change other settings in the file", path);
	return err_hint(e, "edit the file by hand; see ferry.conf(5)");
}

/* -- the file -------------------------------------------------------------------------------- */

int conf_edit_read(const char *path, struct buf *text, struct conf *conf, struct err *e)
{
	int rc = file_exists(path) ? file_read_all(path, text, e) : 0;
	if (rc < 0)
		return err_context(e, "cannot read the configuration");
	encoding_to_utf8(text);
	return conf_parse(buf_str(text), text->len, path, conf, e);
}

int conf_edit_write(const char *path, const struct buf *text, struct err *e)
{
	char *real = realpath(path, NULL);
	struct stat st;
	mode_t mode = real && stat(real, &st) == 0 ? st.st_mode & 0777 : 0644;
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_write_atomic(real ? real : path, text->data, text->len, mode, e);
	free(real);
	if (rc == 0)
		return 0;
	err_context(e, "the configuration");
	return err_hint(e, "use another one with --config FILE");
}

/* -- is everything else unchanged? ----------------------------------------------------------- */

static bool same_section(const struct conf_section *a, const struct conf_section *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->values[i].key, b->values[i].key) != 0 ||
		    strcmp(a->values[i].value, b->values[i].value) != 0)
			return false;
	return true;
}

/* Is every section of `few` in `many`, and of `many` all but [kind.NAME] in `few`? */
static bool differ_by_one(const struct conf *few, const struct conf *many, const char *kind,
			  const char *name)
{
	size_t same = 0;
	for (size_t i = 0; i < many->count; i++) {
		const struct conf_section *s = &many->sections[i];
		const struct conf_section *other = conf_find(few, s->kind, s->name);
		bool the_one = strcmp(s->kind, kind) == 0 && strcmp(s->name, name) == 0;
		if (the_one ? other != NULL : !other || !same_section(s, other))
			return false;
		same += !the_one;
	}
	return same == few->count && same + 1 == many->count;
}

/* -- appending ------------------------------------------------------------------------------ */

int conf_edit_append(struct buf *text, const char *path, const char *section, struct err *e)
{
	CLEANUP(conf_release) struct conf before = { 0 };
	CLEANUP(conf_release) struct conf after = { 0 };
	CLEANUP(conf_release) struct conf added = { 0 };
	CLEANUP(buf_release) struct buf made = BUF_INIT(text->max);
	buf_add(&made, buf_str(text), text->len);
	if (made.len && made.data[made.len - 1] != '\n')
		buf_add(&made, "\n", 1);
	if (made.len)
		buf_add(&made, "\n", 1);
	buf_add(&made, section, strlen(section));
	int rc = buf_ok(&made, path, e);
	if (rc == 0)
		rc = conf_parse(buf_str(text), text->len, path, &before, e);
	if (rc == 0)
		rc = conf_parse(buf_str(&made), made.len, path, &after, e);
	if (rc == 0)
		rc = conf_parse(section, strlen(section), path, &added, e);
	if (rc < 0)
		return rc;
	const struct conf_section *want = added.count == 1 ? &added.sections[0] : NULL;
	const struct conf_section *got = want ? conf_find(&after, want->kind, want->name) : NULL;
	if (!got || !same_section(want, got) ||
	    !differ_by_one(&before, &after, want->kind, want->name))
		return by_hand(path, e);
	buf_release(text);
	*text = made;
	made = (struct buf)BUF_INIT(0);
	return 0;
}

/* -- removing ------------------------------------------------------------------------------- */

static const char *line_end(const char *line, const char *end)
{
	const char *newline = memchr(line, '\n', (size_t)(end - line));
	return newline ? newline + 1 : end;
}

static bool says_nothing(const char *line, const char *end)
{
	while (line < end && strchr(" \t\r\n", *line))
		line++;
	return line == end || *line == '#' || *line == ';';
}

static bool is_empty(const char *line, const char *end)
{
	while (line < end && strchr(" \t\r\n", *line))
		line++;
	return line == end;
}

/* The section's first line, and the end of its last line with content. */
static bool find_lines(const char *text, const char *end, const char *header, const char **from,
		       const char **to)
{
	const char *empty = NULL; /* the line in front, when it is empty */
	bool inside = false;
	for (const char *line = text, *next; line < end; line = next) {
		next = line_end(line, end);
		if (*line == '[') {
			if (inside)
				return true;
			inside = (size_t)(next - line) >= strlen(header) &&
				 memcmp(line, header, strlen(header)) == 0;
			if (inside) {
				*from = empty ? empty : line;
				*to = next;
			}
		} else if (inside && !says_nothing(line, next)) {
			*to = next;
		}
		empty = is_empty(line, next) ? line : NULL;
	}
	return inside;
}

int conf_edit_remove(struct buf *text, const char *path, const char *kind, const char *name,
		     struct err *e)
{
	CLEANUP(conf_release) struct conf before = { 0 };
	CLEANUP(conf_release) struct conf after = { 0 };
	CLEANUP(buf_release) struct buf made = BUF_INIT(text->max);
	CLEANUP(mem_free_ptr) char *header = mem_printf("[%s.%s]", kind, name);
	const char *start = buf_str(text), *end = start + text->len, *from = start, *to = start;
	int rc = conf_parse(start, text->len, path, &before, e);
	if (rc < 0)
		return rc;
	if (!find_lines(start, end, header, &from, &to))
		return by_hand(path, e);
	buf_add(&made, start, (size_t)(from - start));
	buf_add(&made, to, (size_t)(end - to));
	rc = buf_ok(&made, path, e);
	if (rc == 0)
		rc = conf_parse(buf_str(&made), made.len, path, &after, e);
	if (rc < 0)
		return rc;
	if (!differ_by_one(&after, &before, kind, name))
		return by_hand(path, e);
	buf_release(text);
	*text = made;
	made = (struct buf)BUF_INIT(0);
	return 0;
}
