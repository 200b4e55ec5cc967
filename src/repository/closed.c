#include "repository/closed.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_BYTES (64 * MIB)
#define MAX_TAG 255

void closed_release(struct closed *c)
{
	str_list_release(&c->tags);
	places_release(&c->missing);
}

static char *path_of(const char *dir, const char *mirror)
{
	return mem_printf("%s/.ferry/closed/%s", dir, mirror);
}

/* ---- reading ---- */

static bool parse_missing(char *text, struct closed *out)
{
	char *space = strchr(text, ' ');
	uint64_t release;
	if (!space)
		return false;
	*space = '\0';
	if (!parse_u64(text, &release) || release < 1 || release > PLACES_MAX_RELEASE ||
	    !path_is_key(space + 1))
		return false;
	places_add_release(&out->missing, space + 1, release);
	return true;
}

static bool parse_line(char *line, struct closed *out)
{
	if (str_starts(line, "missing "))
		return parse_missing(line + strlen("missing "), out);
	if (!str_starts(line, "tag ") || !line[4] || strlen(line + 4) > MAX_TAG)
		return false;
	str_list_add(&out->tags, line + 4);
	return true;
}

int closed_read(const char *dir, const char *mirror, struct closed *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(dir, mirror);
	CLEANUP(closed_release) struct closed c = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	int rc = file_exists(path) ? file_read_all(path, &text, e) : 0;
	if (rc < 0)
		return rc;
	for (char *line = text.data, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		if (!end || !parse_line(line, &c)) {
			err_set(e, ERR_INTEGRITY, "%s is damaged", path);
			return err_hint(e, "remove it: the next push writes it again");
		}
	}
	places_sort(&c.missing);
	*out = c;
	c = (struct closed){ 0 };
	return 0;
}

bool closed_has(const struct closed *c, const char *tag)
{
	return c && str_list_has(&c->tags, tag);
}

bool closed_lacks(const struct closed *c, const char *key, uint64_t release)
{
	const struct places_entry *found = c ? places_find(&c->missing, key) : NULL;
	return found && found->release == release;
}

/* ---- noting ---- */

static int save(const char *path, const struct closed *c, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	for (size_t i = 0; i < c->tags.count; i++)
		buf_addf(&text, "tag %s\n", c->tags.at[i]);
	for (size_t i = 0; i < c->missing.count; i++)
		buf_addf(&text, "missing %llu %s\n", (unsigned long long)c->missing.at[i].release,
			 c->missing.at[i].key);
	int rc = buf_ok(&text, path, e);
	if (rc == 0)
		rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : file_write_atomic(path, buf_str(&text), text.len, FILE_MODE, e);
}

int closed_note(const char *dir, const char *mirror, const struct str_list *tags,
		const struct str_list *missing, const struct places *places, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(dir, mirror);
	CLEANUP(closed_release) struct closed c = { 0 };
	int rc = closed_read(dir, mirror, &c, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < tags->count; i++)
		if (!closed_has(&c, tags->at[i]))
			str_list_add(&c.tags, tags->at[i]);
	for (size_t i = 0; i < missing->count; i++)
		places_add_release(&c.missing, missing->at[i],
				   places_release_of(places, missing->at[i]));
	places_sort(&c.missing);
	return save(path, &c, e);
}
