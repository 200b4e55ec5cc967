#include "settings/conf.h"

#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONF_MAX_SECTIONS 1000
#define CONF_MAX_VALUES 1000
#define CONF_MAX_LINE 8192

struct reader {
	struct conf *conf;
	struct err *e;
	bool plain;       /* names of sections have no parts */
	const char *text; /* what is left to read */
	size_t len;
	int line;         /* of the line that inih is at */
	bool continued;   /* that line is indented: it continues a value */
	const char *part; /* what of that line inih has not got yet: it did not fit */
	size_t rest;
	bool glued;       /* what inih has now is such a part */
	int section_line; /* of the [section] that it is in */
	bool in_section;  /* a key was read since */
};

static int err_at(struct reader *r, int line, const char *fmt, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof text, fmt, ap);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	return err_set(r->e, ERR_USAGE, "%s:%d: %s", r->conf->path, line, shown);
}

static PRINTF_LIKE(2, 3) int reader_err(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = err_at(r, r->line, fmt, ap);
	va_end(ap);
	return rc;
}

/* inih reports a section only with its first key, so the mistake is further up. */
static PRINTF_LIKE(2, 3) int section_err(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = err_at(r, r->section_line, fmt, ap);
	va_end(ap);
	return rc;
}

/* Remembers where a section begins. False if the line starts like a section but is not one. */
static bool note_section(struct reader *r)
{
	size_t blanks = 0;
	while (blanks < r->rest && (r->part[blanks] == ' ' || r->part[blanks] == '\t'))
		blanks++;
	if (blanks == r->rest || r->part[blanks] != '[' || (r->continued && r->in_section))
		return true;
	r->section_line = r->line;
	r->in_section = false;
	return memchr(r->part, ']', r->rest) != NULL;
}

/* Finds a place to split a long line so that inih, which trims blanks and strips comments, loses
 * nothing: between two ordinary characters. */
static size_t cut_length(const char *line, size_t room)
{
	for (size_t n = room; n > room / 2; n--)
		if (!strchr(" \t\r\n;#", line[n - 1]) && !strchr(" \t\r\n;#", line[n]))
			return n;
	return 0;
}

/* Copies as much of the line as fits. A long line becomes a first line and continuation lines,
 * which on_value() joins again. One byte stays free: of a line that fills its buffer, newer
 * releases of inih (59) throw away the rest. */
static char *hand_over(struct reader *r, char *out, size_t size)
{
	size_t indent = r->glued ? 1 : 0;
	size_t n = r->rest, room = size - 2 - indent;
	if (n > room) {
		n = cut_length(r->part, room);
		if (n == 0) {
			reader_err(r, "the line is too long; split it into indented continuation "
				      "lines");
			return NULL;
		}
	}
	memcpy(out, " ", indent);
	memcpy(out + indent, r->part, n);
	out[indent + n] = '\0';
	r->part += n;
	r->rest -= n;
	return out;
}

/* The length of the line without a comment: the rest of a split comment must not look like a
 * value. */
static size_t without_comment(const char *line, size_t len)
{
	size_t first = 0;
	while (first < len && (line[first] == ' ' || line[first] == '\t'))
		first++;
	if (first < len && (line[first] == ';' || line[first] == '#'))
		return 0;
	for (size_t i = 1; i < len; i++)
		if (line[i] == ';' && (line[i - 1] == ' ' || line[i - 1] == '\t'))
			return i;
	return len;
}

/* inih's line reader: counts lines, and refuses what inih would truncate or misread. */
static char *next_line(char *out, int size, void *stream)
{
	struct reader *r = stream;
	if (r->e->class != ERR_NONE || (r->len == 0 && r->rest == 0))
		return NULL;
	r->glued = r->rest > 0;
	if (r->glued)
		return hand_over(r, out, (size_t)size);
	const char *line = r->text, *end = memchr(line, '\n', r->len);
	size_t len = end ? (size_t)(end - line) + 1 : r->len;
	r->text += len;
	r->len -= len;
	r->line++;
	r->continued = *line == ' ' || *line == '\t';
	if (memchr(line, '\0', len) || !utf8_valid(line, len)) {
		reader_err(r, "the line is not UTF-8 text");
		(void)!err_hint(r->e, "save the file as UTF-8");
		return NULL;
	}
	if (len > CONF_MAX_LINE) {
		reader_err(r, "the line is longer than %d bytes", CONF_MAX_LINE);
		return NULL;
	}
	r->part = line;
	r->rest = without_comment(line, len);
	if (!note_section(r)) {
		reader_err(r, "the ']' that ends the section's name is missing");
		return NULL;
	}
	return hand_over(r, out, (size_t)size);
}

static struct conf_section *section_named(struct reader *r, const char *full)
{
	const char *dot = r->plain ? NULL : strchr(full, '.');
	size_t kind = dot ? (size_t)(dot - full) : strlen(full);
	const char *name = dot ? dot + 1 : "";
	struct conf *c = r->conf;
	for (size_t i = 0; i < c->count; i++) {
		struct conf_section *s = &c->sections[i];
		if (strlen(s->kind) == kind && !memcmp(s->kind, full, kind) &&
		    !strcmp(s->name, name)) {
			if (i + 1 == c->count)
				return s;
			section_err(r, "section [%s] is given twice (first on line %d)", full,
				    s->line);
			return NULL;
		}
	}
	if (kind == 0) {
		reader_err(r, "this key is before the first [section]");
		return NULL;
	}
	if (dot && !path_is_id(name)) {
		section_err(r,
			    "[%s]: a name consists of at most 64 characters from a-z, 0-9, '.', "
			    "'_' and '-'",
			    full);
		return NULL;
	}
	if (c->count >= CONF_MAX_SECTIONS) {
		section_err(r, "more than %d sections", CONF_MAX_SECTIONS);
		return NULL;
	}
	c->sections = mem_grow(c->sections, c->count, &c->cap, sizeof *c->sections);
	struct conf_section *s = &c->sections[c->count++];
	*s = (struct conf_section){
		.kind = mem_strndup(full, kind),
		.name = mem_strdup(name),
		.line = r->section_line,
	};
	return s;
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;
	r->in_section = true;
	struct conf_section *s = section_named(r, section);
	if (!s)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		struct conf_value *v = &s->values[i];
		if (strcmp(v->key, key) != 0)
			continue;
		/* inih passes a continuation line as the same key again. */
		if ((r->continued || r->glued) && i + 1 == s->count) {
			char *joined = mem_printf("%s%s%s", v->value, r->glued ? "" : "\n", value);
			mem_wipe(v->value, strlen(v->value));
			free(v->value);
			v->value = joined;
			return 1;
		}
		reader_err(r, "'%s' is given twice in [%s] (first on line %d)", key, section,
			   v->line);
		return 0;
	}
	if (s->count >= CONF_MAX_VALUES) {
		reader_err(r, "more than %d keys in [%s]", CONF_MAX_VALUES, section);
		return 0;
	}
	s->values = mem_grow(s->values, s->count, &s->cap, sizeof *s->values);
	s->values[s->count++] = (struct conf_value){
		.key = mem_strdup(key),
		.value = mem_strdup(value),
		.line = r->line,
	};
	return 1;
}

static int parse(struct reader *r, const char *path, struct conf *out)
{
	struct conf c = { .path = mem_strdup(path), .dir = path_dir(path) };
	struct err *e = r->e;
	r->conf = &c;
	int line = ini_parse_stream(next_line, r, on_value, r);
	if (line > 0 && e->class == ERR_NONE) {
		r->line = line;
		reader_err(r, "expected a [section] or a \"key = value\" line");
	} else if (line < 0) {
		err_set(e, ERR_SYSTEM, "%s: cannot be read", path);
	}
	if (e->class != ERR_NONE) {
		conf_wipe(&c);
		return -(int)e->class;
	}
	*out = c;
	return 0;
}

static int parse_any(const char *text, size_t len, bool plain, const char *path, struct conf *out,
		     struct err *e)
{
	CLEANUP(buf_wipe) struct buf own = BUF_INIT(len / 2 * 3 + 3);
	/* Growing would leave copies of secrets behind. */
	(void)!buf_reserve(&own, own.max);
	encoding_add_utf8(&own, text, len);
	struct reader r = { .e = e, .text = own.data, .len = own.len, .plain = plain };
	return parse(&r, path, out);
}

int conf_parse(const char *text, size_t len, const char *path, struct conf *out, struct err *e)
{
	return parse_any(text, len, false, path, out, e);
}

int conf_parse_plain(const char *text, size_t len, const char *path, struct conf *out,
		     struct err *e)
{
	return parse_any(text, len, true, path, out, e);
}

int conf_load(const char *path, bool named, struct conf *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	int rc = named ? file_read_named(path, &text, e) : file_read_all(path, &text, e);
	if (rc < 0) {
		err_context(e, "cannot read the configuration");
		return err_class_set(e, ERR_USAGE);
	}
	return conf_parse(buf_str(&text), text.len, path, out, e);
}

void conf_release(struct conf *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct conf_section *s = &c->sections[i];
		for (size_t j = 0; j < s->count; j++) {
			free(s->values[j].key);
			free(s->values[j].value);
		}
		free(s->values);
		free(s->kind);
		free(s->name);
	}
	free(c->sections);
	free(c->path);
	free(c->dir);
	*c = (struct conf){ 0 };
}

void conf_wipe(struct conf *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct conf_section *s = &c->sections[i];
		for (size_t j = 0; j < s->count; j++)
			mem_wipe(s->values[j].value, strlen(s->values[j].value));
	}
	conf_release(c);
}

const struct conf_section *conf_find(const struct conf *c, const char *kind, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->sections[i].kind, kind) && !strcmp(c->sections[i].name, name))
			return &c->sections[i];
	return NULL;
}

const struct conf_section *conf_nth(const struct conf *c, const char *kind, size_t n)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->sections[i].kind, kind) && n-- == 0)
			return &c->sections[i];
	return NULL;
}

static const struct conf_value *value_of(const struct conf_section *s, const char *key)
{
	for (size_t i = 0; s && i < s->count; i++)
		if (!strcmp(s->values[i].key, key))
			return &s->values[i];
	return NULL;
}

const char *conf_get(const struct conf_section *s, const char *key)
{
	const struct conf_value *v = value_of(s, key);
	return v ? v->value : NULL;
}

int conf_err(const struct conf *c, const struct conf_section *s, const char *key, struct err *e,
	     const char *fmt, ...)
{
	char text[768];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const struct conf_value *v = key ? value_of(s, key) : NULL;
	int line = v ? v->line : s ? s->line : 0;
	if (s && c->unwritten && line >= c->unwritten)
		return err_set(e, ERR_USAGE, "[%s.%s]: %s", s->kind, s->name, text);
	return err_set(e, ERR_USAGE, "%s:%d: %s", c->path ? c->path : "ferry.conf", line, text);
}

static int bad_value(const struct conf *c, const struct conf_section *s, const char *key,
		     const char *wanted, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(conf_get(s, key));
	return conf_err(c, s, key, e, "%s: '%s' is not %s", key, shown, wanted);
}

int conf_get_bool(const struct conf *c, const struct conf_section *s, const char *key, bool *out,
		  struct err *e)
{
	const char *value = conf_get(s, key);
	return !value || parse_bool(value, out) ? 0 : bad_value(c, s, key, "yes or no", e);
}

int conf_get_u64(const struct conf *c, const struct conf_section *s, const char *key, uint64_t *out,
		 struct err *e)
{
	const char *value = conf_get(s, key);
	return !value || parse_u64(value, out) ? 0 : bad_value(c, s, key, "a whole number", e);
}

int conf_get_size(const struct conf *c, const struct conf_section *s, const char *key,
		  uint64_t *out, struct err *e)
{
	const char *value = conf_get(s, key);
	return !value || parse_size(value, out)
		       ? 0
		       : bad_value(c, s, key, "a size such as 512K, 64MiB or 1.5G", e);
}

int conf_get_duration(const struct conf *c, const struct conf_section *s, const char *key,
		      uint64_t *out_s, struct err *e)
{
	const char *value = conf_get(s, key);
	return !value || parse_duration(value, out_s)
		       ? 0
		       : bad_value(c, s, key, "a duration such as 90s, 15m, 36h or 30d", e);
}

int conf_get_rate(const struct conf *c, const struct conf_section *s, const char *key,
		  struct rate_table *out, struct err *e)
{
	const char *value = conf_get(s, key);
	return !value || rate_table_parse(value, out)
		       ? 0
		       : bad_value(c, s, key,
				   "a size such as 20MiB, or a timetable such as 08:00,20MiB "
				   "19:00,off",
				   e);
}

void conf_get_words(const struct conf_section *s, const char *key, struct str_list *out)
{
	const char *value = conf_get(s, key);
	if (value)
		str_list_split(out, value, " \t\r\n");
}

char *conf_get_path(const struct conf *c, const struct conf_section *s, const char *key)
{
	const char *value = conf_get(s, key);
	if (!value)
		return NULL;
	const char *home = getenv("HOME");
	if (str_starts(value, "~/") && home)
		return path_join(home, value + 2);
	return path_join(c->dir ? c->dir : ".", value);
}

static size_t count_names(const char *const *names)
{
	size_t n = 0;
	while (names[n])
		n++;
	return n;
}

static bool is_one_of(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(s, *names))
			return true;
	return false;
}

int conf_check_keys(const struct conf *c, const struct conf_section *s, const char *const *allowed,
		    struct err *e)
{
	for (size_t i = 0; s && i < s->count; i++) {
		const char *key = s->values[i].key;
		if (is_one_of(key, allowed))
			continue;
		const char *near = text_nearest(key, allowed, count_names(allowed));
		CLEANUP(mem_free_ptr) char *shown = text_escaped(key);
		if (near)
			return conf_err(c, s, key, e, "unknown key '%s'; did you mean '%s'?", shown,
					near);
		return conf_err(c, s, key, e, "unknown key '%s' in [%s%s%s]", shown, s->kind,
				*s->name ? "." : "", s->name);
	}
	return 0;
}

int conf_check_kinds(const struct conf *c, struct err *e)
{
	static const char *const kinds[] = {
		"repository", "mirror", "access", "publish", "announce", "fetch", "prepare",
		"security",   "alert",  "stats",  "health",  "logs",     "site",  "cost",
		"price",      "front",  "serve",  "node",    NULL,
	};
	for (size_t i = 0; i < c->count; i++) {
		const struct conf_section *s = &c->sections[i];
		if (is_one_of(s->kind, kinds))
			continue;
		const char *near = text_nearest(s->kind, kinds, count_names(kinds));
		CLEANUP(mem_free_ptr) char *shown = text_escaped(s->kind);
		if (near)
			return conf_err(c, s, NULL, e, "unknown section [%s]; did you mean [%s]?",
					shown, near);
		return conf_err(c, s, NULL, e, "unknown section [%s]", shown);
	}
	return 0;
}
