#include "catalog/sums_line.h"

#include "catalog/sums.h"
#include "gguf/sniff.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>

#define BEGIN "-----BEGIN "
#define END "-----END "
#define BEGIN_SIGNED "-----BEGIN PGP SIGNED MESSAGE-----"
#define ALGORITHMS_SHOWN 8

/* Where in a text with PGP's armor a line is. */
enum part {
	OUTSIDE,
	HEADERS, /* of a clear-signed text, up to an empty line */
	SIGNED,
	BLOCK, /* a signature or a key */
};

struct parser {
	struct sums s;
	const char *what, *of;
	size_t number; /* of the line */
	enum part part;
	bool is_signed;          /* there is a signed text: only what is in it counts */
	bool has_armor;          /* a signature or a key was seen */
	size_t part_line;        /* where the part begins */
	struct sums_line before; /* a heading or a hash, whose digest or name may follow */
	char *before_name;       /* its name, or NULL */
	size_t foreign, first_foreign;
	char *foreign_text; /* of the first */
	size_t others;
	struct str_list algorithms;
};

static void parser_release(struct parser *p)
{
	sums_release(&p->s);
	free(p->before_name);
	free(p->foreign_text);
	str_list_release(&p->algorithms);
}

/* ---- entries and faults ---- */

static void add_fault(struct parser *p, const char *name, char *why)
{
	struct sums *s = &p->s;
	if (s->fault_count == SUMS_MAX_FAULTS) {
		free(why);
		return;
	}
	s->faults = mem_grow(s->faults, s->fault_count, &s->fault_cap, sizeof *s->faults);
	s->faults[s->fault_count++] = (struct sums_fault){
		.name = name ? mem_strdup(name) : NULL,
		.why = why,
	};
}

static void wrong_line(struct parser *p, size_t number, const char *why)
{
	add_fault(p, NULL, mem_printf("line %zu: %s", number, why));
}

static bool is_drive(const char *name)
{
	return isalpha((unsigned char)name[0]) && name[1] == ':' &&
	       (name[2] == '\\' || name[2] == '/');
}

/* "a//b/./c" is "a/b/c", as for the system. A slash in front stays. */
static void squeeze(char *path)
{
	char *to = path;
	for (const char *s = path; *s; s++) {
		bool begins = to > path && to[-1] == '/';
		if (begins && s[0] == '.' && s[1] == '/')
			s++;
		else if (!begins || *s != '/')
			*to++ = *s;
	}
	*to = '\0';
}

/* The part of the name below the list's folder, as far as it tells; *moved: it was absolute. */
static char *relative(const char *name, bool tool, bool *moved)
{
	char *own = mem_strdup(name), *at = own;
	*moved = false;
	squeeze(own);
	for (;;) {
		bool drive = is_drive(at);
		if (drive || tool)
			for (char *c = at; (c = strchr(c, '\\')) != NULL;)
				*c = '/';
		if (drive || (tool && *at == '/')) {
			*moved = true;
			at += drive ? 2 : 0;
			at += strspn(at, "/");
		} else if (str_starts(at, "./")) {
			at += 2;
		} else {
			break;
		}
	}
	memmove(own, at, strlen(at) + 1);
	return own;
}

static int add_entry(struct parser *p, char *name, bool moved, const struct digest *sha256,
		     struct err *e)
{
	if (p->s.count == SUMS_MAX_ENTRIES) {
		free(name);
		return err_set(e, ERR_INTEGRITY, "%s: more than %d entries", p->what,
			       SUMS_MAX_ENTRIES);
	}
	p->s.at = mem_grow(p->s.at, p->s.count, &p->s.cap, sizeof *p->s.at);
	p->s.at[p->s.count++] = (struct sums_entry){ name, *sha256, moved };
	return 0;
}

static int take_bare(struct parser *p, const struct digest *sha256, struct err *e)
{
	if (p->of)
		return add_entry(p, mem_strdup(p->of), false, sha256, e);
	wrong_line(p, p->number, "it is a digest without a file name");
	return 0;
}

/* What tools call a pipe: sha256sum and openssl. */
static bool is_pipe(const struct parser *p, const char *name)
{
	return strcmp(name, "-") == 0 || (p->of && strcmp(name, "stdin") == 0);
}

static int take(struct parser *p, const char *given, bool tool, const struct digest *sha256,
		struct err *e)
{
	bool moved;
	CLEANUP(mem_free_ptr) char *name = relative(given, tool, &moved);
	if (is_pipe(p, name) || name[strspn(name, " \t")] == '\0')
		return take_bare(p, sha256, e);
	if (sums_name_ok(name))
		return add_entry(p, STEAL(name), moved, sha256, e);
	if (p->of && strcmp(path_base(name), p->of) == 0)
		return take_bare(p, sha256, e);
	add_fault(p, NULL,
		  mem_printf("line %zu: the name '%.300s' leads out of the folder of the list",
			     p->number, given));
	return 0;
}

/* ---- lines ---- */

static void skip_other(struct parser *p, const char *algorithm)
{
	p->others++;
	if (p->algorithms.count < ALGORITHMS_SHOWN && !str_list_has(&p->algorithms, algorithm))
		str_list_add(&p->algorithms, algorithm);
}

static void skip_foreign(struct parser *p, const char *text)
{
	if (p->foreign++)
		return;
	p->first_foreign = p->number;
	p->foreign_text = mem_strndup(text, MIN(strlen(text), (size_t)40));
}

/* The file of a digest may be on the line before, and the digest of a file. */
static void remember(struct parser *p, const struct sums_line *l)
{
	bool wanted = l->kind == SUMS_LINE_HEADING || l->kind == SUMS_LINE_HASH;
	free(p->before_name);
	p->before = *l;
	p->before_name = wanted && l->name ? mem_strdup(l->name) : NULL;
}

/* A hash whose name does not follow. */
static int settle_before(struct parser *p, enum sums_line_kind next, struct err *e)
{
	if (p->before.kind != SUMS_LINE_HASH || next == SUMS_LINE_PATH || next == SUMS_LINE_WRONG)
		return 0;
	return take_bare(p, &p->before.sha256, e);
}

static int take_line(struct parser *p, const struct sums_line *l, struct err *e)
{
	enum sums_line_kind before = p->before.kind;
	switch (l->kind) {
	case SUMS_LINE_ENTRY:
		return take(p, l->name, l->tool, &l->sha256, e);
	case SUMS_LINE_DIGEST:
		return before == SUMS_LINE_HEADING ? take(p, p->before_name, true, &l->sha256, e)
						   : take_bare(p, &l->sha256, e);
	case SUMS_LINE_PATH:
		if (before == SUMS_LINE_HASH)
			return take(p, l->name, true, &p->before.sha256, e);
		return 0;
	case SUMS_LINE_WRONG:
		wrong_line(p, p->number, l->why);
		return 0;
	case SUMS_LINE_OTHER:
		skip_other(p, l->algorithm);
		return 0;
	default:
		return 0;
	}
}

static bool gives_digest(const struct sums_line *l)
{
	return l->kind == SUMS_LINE_ENTRY || l->kind == SUMS_LINE_DIGEST ||
	       l->kind == SUMS_LINE_HASH || l->kind == SUMS_LINE_WRONG;
}

static int read_line(struct parser *p, char *text, size_t len, struct err *e)
{
	struct sums_line l;
	CLEANUP(mem_free_ptr) char *kept = p->foreign ? NULL : mem_strdup(text);
	sums_line_read(text, len, &l);
	if (p->is_signed && p->part == OUTSIDE) {
		if (gives_digest(&l))
			wrong_line(p, p->number, "it is outside the text that is signed");
		return 0;
	}
	if (l.kind == SUMS_LINE_FOREIGN)
		skip_foreign(p, kept ? kept : "");
	if (l.kind == SUMS_LINE_EMPTY)
		return 0;
	int rc = settle_before(p, l.kind, e);
	if (rc == 0)
		rc = take_line(p, &l, e);
	remember(p, &l);
	return rc;
}

/* ---- armor ---- */

static void enter(struct parser *p, enum part part)
{
	p->part = part;
	p->part_line = p->number;
}

/* Follows the armor. True: the line belongs to it. */
static bool is_armor(struct parser *p, const char *line)
{
	if (str_starts(line, BEGIN_SIGNED))
		enter(p, HEADERS);
	else if (str_starts(line, BEGIN))
		enter(p, BLOCK);
	else if (str_starts(line, END))
		enter(p, OUTSIDE);
	else if (p->part == HEADERS && line[strspn(line, " \t")] == '\0')
		enter(p, SIGNED);
	else
		return p->part == HEADERS || p->part == BLOCK;
	p->has_armor = true;
	return true;
}

static int read_lines(struct parser *p, char *text, size_t len, struct err *e)
{
	int rc = 0;
	for (char *line = text, *end = text + len, *next; rc == 0 && line < end; line = next) {
		size_t line_len = 0;
		while (line + line_len < end && line[line_len] != '\n' && line[line_len] != '\r')
			line_len++;
		next = line + line_len + 1;
		if (next < end && line[line_len] == '\r' && *next == '\n')
			next++;
		p->number++;
		line[line_len] = '\0';
		size_t dash = p->part == SIGNED && str_starts(line, "- ") ? 2 : 0;
		if (!is_armor(p, line))
			rc = read_line(p, line + dash, line_len - dash, e);
	}
	if (rc == 0)
		rc = settle_before(p, SUMS_LINE_FOREIGN, e);
	if (rc == 0 && p->part != OUTSIDE)
		wrong_line(p, p->part_line,
			   "the entry that begins here has no end: the list is truncated");
	return rc;
}

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
	const struct sums_entry *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);
	return order ? order : (*x > *y) - (*x < *y);
}

/* Of entries with one name the first stays; none, if their digests differ. */
static void settle_name(struct parser *p, struct sums_entry **same, size_t count)
{
	bool agree = true;
	for (size_t i = 1; i < count; i++)
		agree = agree && digest_equal(&same[0]->sha256, &same[i]->sha256);
	if (!agree)
		add_fault(p, same[0]->name, mem_strdup("the list gives it different digests"));
	for (size_t i = agree ? 1 : 0; i < count; i++)
		mem_free_ptr(&same[i]->name);
}

static void make_unique(struct parser *p)
{
	struct sums *s = &p->s;
	CLEANUP(mem_free_ptr) struct sums_entry **sorted =
		mem_alloc((s->count + 1) * sizeof *sorted);
	size_t kept = 0, next;
	for (size_t i = 0; i < s->count; i++)
		sorted[i] = &s->at[i];
	qsort(sorted, s->count, sizeof *sorted, by_name);
	for (size_t i = 0; i < s->count; i = next) {
		for (next = i + 1; next < s->count; next++)
			if (strcmp(sorted[i]->name, sorted[next]->name) != 0)
				break;
		settle_name(p, sorted + i, next - i);
	}
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].name)
			s->at[kept++] = s->at[i];
	s->count = kept;
}

static void add_part(struct buf *out, const char *text)
{
	buf_addf(out, "%s%s", out->len ? "; " : "", text);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* "2 digests by SHA512, MD5". The caller frees. */
static char *tell_others(const struct parser *p)
{
	struct buf out = BUF_INIT(KIB);
	buf_addf(&out, "%zu digest%s by ", p->others, plural(p->others));
	for (size_t i = 0; i < p->algorithms.count; i++)
		buf_addf(&out, "%s%s", i ? ", " : "", p->algorithms.at[i]);
	return buf_steal(&out);
}

/* What was passed over, on one line; NULL if nothing. */
static char *tell_skipped(const struct parser *p)
{
	struct buf out = BUF_INIT(4 * KIB);
	if (p->foreign) {
		CLEANUP(mem_free_ptr) char *text =
			mem_printf("%zu line%s of another kind skipped, the first is line %zu",
				   p->foreign, plural(p->foreign), p->first_foreign);
		add_part(&out, text);
	}
	if (p->others) {
		CLEANUP(mem_free_ptr) char *others = tell_others(p);
		CLEANUP(mem_free_ptr) char *text = mem_printf("%s skipped", others);
		add_part(&out, text);
	}
	if (p->has_armor)
		add_part(&out, "its PGP signature is not checked");
	if (out.len)
		return buf_steal(&out);
	buf_release(&out);
	return NULL;
}

static int unusable(const struct parser *p, bool page, struct err *e)
{
	CLEANUP(mem_free_ptr) char *text = text_escaped(p->foreign_text ? p->foreign_text : "");
	CLEANUP(mem_free_ptr) char *others = p->others ? tell_others(p) : NULL;
	if (page)
		err_set(e, ERR_INTEGRITY, "%s is a web page (HTML), not a list of digests",
			p->what);
	else if (others)
		err_set(e, ERR_INTEGRITY, "%s has no SHA-256 of a file, only %s", p->what, others);
	else
		err_set(e, ERR_INTEGRITY, "%s has no SHA-256 of a file: line %zu is '%s'", p->what,
			p->first_foreign, text);
	return err_hint(e, "lines must have the form '<64 hex digits>  <file name>', as sha256sum "
			   "writes them");
}

/* Does a line begin with it? */
static bool has_line(const char *text, size_t len, const char *start)
{
	const char *end = text + len, *at = text;
	while ((at = memmem(at, (size_t)(end - at), start, strlen(start))) != NULL) {
		if (at == text || at[-1] == '\n' || at[-1] == '\r')
			return true;
		at++;
	}
	return false;
}

int sums_parse(const void *data, size_t len, const char *what, const char *of, struct sums *out,
	       struct err *e)
{
	if (len > SUMS_MAX_BYTES)
		return err_set(e, ERR_INTEGRITY, "%s: larger than %llu bytes", what,
			       (unsigned long long)SUMS_MAX_BYTES);
	CLEANUP(parser_release) struct parser p = { .what = what, .of = of };
	CLEANUP(buf_release) struct buf text = BUF_INIT(2 * SUMS_MAX_BYTES);
	encoding_add_utf8(&text, data, len);
	bool page = sniff_bytes(buf_str(&text), MIN(text.len, (size_t)SNIFF_BYTES)) == SNIFF_HTML;
	p.is_signed = has_line(buf_str(&text), text.len, BEGIN_SIGNED);
	int rc = text.len ? read_lines(&p, text.data, text.len, e) : 0;
	if (rc < 0)
		return rc;
	make_unique(&p);
	bool found = p.foreign || p.others;
	if (p.s.count == 0 && (page || (found && p.s.fault_count == 0)))
		return unusable(&p, page, e);
	p.s.skipped = tell_skipped(&p);
	*out = p.s;
	p.s = (struct sums){ 0 };
	return 0;
}

int sums_load(const char *path, struct sums *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(SUMS_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *of = sums_file_of(path_base(path));
	int rc = file_read_all(path, &text, e);
	if (rc < 0)
		return rc;
	return sums_parse(buf_str(&text), text.len, path, of, out, e);
}

int sums_load_to_change(const char *path, struct sums *out, struct err *e)
{
	CLEANUP(sums_release) struct sums s = { 0 };
	int rc = sums_load(path, &s, e);
	if (rc < 0)
		return rc;
	if (s.fault_count) {
		const struct sums_fault *f = &s.faults[0];
		err_set(e, ERR_INTEGRITY, "%s: %s%s%s", path, f->name ? f->name : "",
			f->name ? ": " : "", f->why);
	} else if (s.skipped) {
		err_set(e, ERR_INTEGRITY, "%s contains other lines than digests of files: %s", path,
			s.skipped);
	} else {
		*out = s;
		s = (struct sums){ 0 };
		return 0;
	}
	return err_hint(e, "lines that are not the SHA-256 of a file would be lost: name another "
			   "list");
}
