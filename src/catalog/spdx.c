#include "catalog/spdx.h"

#include "util/mem.h"
#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DOCUMENT "DocumentRef-"

/* ---- the list ---- */

const struct spdx_entry *spdx_find(const char *id, size_t len)
{
	size_t from = 0, to = spdx_list_count;
	while (from < to) {
		size_t middle = (from + to) / 2;
		const struct spdx_entry *entry = &spdx_list[middle];
		int order = strncasecmp(id, entry->id, len);
		if (order == 0 && !entry->id[len])
			return entry;
		if (order > 0)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

/* "GPL-2.0-or-later" of "GPL-2.0". */
static const struct spdx_entry *or_later(const struct spdx_entry *entry)
{
	char id[64];
	if (!(entry->flags & SPDX_DEPRECATED))
		return NULL;
	snprintf(id, sizeof id, "%s-or-later", entry->id);
	return spdx_find(id, strlen(id));
}

const char *spdx_instead(const char *deprecated, char *out, size_t size)
{
	const struct spdx_entry *entry = spdx_find(deprecated, strlen(deprecated));
	out[0] = '\0';
	if (entry && or_later(entry))
		snprintf(out, size, "%s-only or %s-or-later", entry->id, entry->id);
	return out;
}

/* ---- words ---- */

enum expect {
	LICENSE,
	EXCEPTION,
	JOINT,        /* AND or OR: after parentheses, or an exception */
	JOINT_OR_WITH /* after a license */
};

struct reader {
	const char *at;
	enum expect expect;
	unsigned depth;
	char *(*other)(const char *id, bool exception);
	struct buf *out;
	struct spdx *found;
};

static bool is_idstring(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '.')
			return false;
	return len > 0;
}

static bool starts(const char *s, size_t len, const char *prefix)
{
	return len > strlen(prefix) && strncasecmp(s, prefix, strlen(prefix)) == 0;
}

/* "LicenseRef-x", "DocumentRef-y:LicenseRef-x": in canonical spelling, or NULL for another word. */
static char *reference_of(const char *word, size_t len, const char *prefix)
{
	CLEANUP(mem_free_ptr) char *document = NULL;
	const char *colon = memchr(word, ':', len);
	if (colon && starts(word, (size_t)(colon - word), DOCUMENT)) {
		const char *name = word + strlen(DOCUMENT);
		if (!is_idstring(name, (size_t)(colon - name)))
			return NULL;
		document = mem_printf(DOCUMENT "%.*s:", (int)(colon - name), name);
		len -= (size_t)(colon + 1 - word);
		word = colon + 1;
	}
	size_t skip = strlen(prefix);
	if (!starts(word, len, prefix) || !is_idstring(word + skip, len - skip))
		return NULL;
	return mem_printf("%s%s%.*s", document ? document : "", prefix, (int)(len - skip),
			  word + skip);
}

static void note(char **first, const char *id)
{
	if (!*first)
		*first = mem_strdup(id);
}

/* An identifier of the list, with its plus. */
static char *listed(struct reader *r, const char *word, size_t len, unsigned kind)
{
	size_t plain = kind == 0 && word[len - 1] == '+' ? len - 1 : len;
	const struct spdx_entry *entry = spdx_find(word, plain);
	if (!entry || (entry->flags & SPDX_EXCEPTION) != kind)
		return NULL;
	if (plain < len && or_later(entry))
		return mem_strdup(or_later(entry)->id);
	if (entry->flags & SPDX_DEPRECATED)
		note(&r->found->deprecated, entry->id);
	return mem_printf("%s%s", entry->id, plain < len ? "+" : "");
}

/* What has a meaning of its own where it is right. */
static bool is_reserved(const char *id)
{
	return str_eq_nocase(id, "NONE") || str_eq_nocase(id, "NOASSERTION") ||
	       str_starts_nocase(id, SPDX_REFERENCE) || str_starts_nocase(id, SPDX_ADDITION) ||
	       str_starts_nocase(id, DOCUMENT);
}

/* An identifier that is not in the list; NULL if it cannot be one. */
static char *unlisted(struct reader *r, const char *id, unsigned kind)
{
	char *other = r->other ? r->other(id, kind == SPDX_EXCEPTION) : NULL;
	if (other) {
		r->found->reference = r->found->reference || str_starts(other, SPDX_REFERENCE);
		return other;
	}
	size_t len = strlen(id);
	size_t plain = kind == 0 && id[len - 1] == '+' ? len - 1 : len;
	if (!isalnum((unsigned char)id[0]) || !is_idstring(id, plain) || is_reserved(id))
		return NULL;
	char *plainly = mem_strndup(id, plain);
	note(&r->found->unknown, plainly);
	free(plainly);
	return mem_strdup(id);
}

static char *spell(struct reader *r, const char *word, size_t len, unsigned kind)
{
	char *spelled = reference_of(word, len, kind ? SPDX_ADDITION : SPDX_REFERENCE);
	if (spelled) {
		r->found->reference = r->found->reference || kind == 0;
		return spelled;
	}
	spelled = listed(r, word, len, kind);
	if (spelled)
		return spelled;
	CLEANUP(mem_free_ptr) char *id = mem_strndup(word, len);
	return unlisted(r, id, kind);
}

static const char *joint_of(const char *word, size_t len)
{
	static const char *const joints[] = { "AND", "OR", "WITH" };
	for (size_t i = 0; i < ARRAY_LEN(joints); i++)
		if (strlen(joints[i]) == len && strncasecmp(word, joints[i], len) == 0)
			return joints[i];
	return NULL;
}

/* ---- the expression ---- */

static void put(struct reader *r, const char *word)
{
	if (r->out->len && *word != ')' && r->out->data[r->out->len - 1] != '(')
		buf_addc(r->out, ' ');
	buf_adds(r->out, word);
}

/* The functions below return false for a word that cannot stand here. */

static bool read_joint(struct reader *r, const char *joint)
{
	bool with = joint && *joint == 'W';
	if (!joint || r->expect < JOINT || (with && r->expect != JOINT_OR_WITH))
		return false;
	put(r, joint);
	r->expect = with ? EXCEPTION : LICENSE;
	return true;
}

static bool read_parenthesis(struct reader *r, char c)
{
	if (c == '(' ? r->expect != LICENSE || r->depth == SPDX_MAX_DEPTH
		     : r->expect < JOINT || r->depth == 0)
		return false;
	r->depth = c == '(' ? r->depth + 1 : r->depth - 1;
	put(r, c == '(' ? "(" : ")");
	r->expect = c == '(' ? LICENSE : JOINT;
	return true;
}

static bool read_word(struct reader *r, const char *word, size_t len)
{
	const char *joint = joint_of(word, len);
	if (joint || r->expect >= JOINT)
		return read_joint(r, joint);
	CLEANUP(mem_free_ptr) char *id = spell(r, word, len, r->expect == EXCEPTION);
	if (!id)
		return false;
	put(r, id);
	r->expect = r->expect == LICENSE ? JOINT_OR_WITH : JOINT;
	return true;
}

static bool read_all(struct reader *r)
{
	for (;;) {
		r->at += strspn(r->at, " \t");
		if (!*r->at)
			return r->expect >= JOINT && r->depth == 0;
		size_t len = strcspn(r->at, " \t()");
		if (len ? !read_word(r, r->at, len) : !read_parenthesis(r, *r->at))
			return false;
		r->at += len ? len : 1;
	}
}

int spdx_parse(const char *text, char *(*other)(const char *id, bool exception), struct spdx *out,
	       struct err *e)
{
	CLEANUP(spdx_release) struct spdx found = { 0 };
	CLEANUP(buf_release) struct buf spelled = BUF_INIT(SPDX_MAX_BYTES);
	struct reader r = { .at = text, .other = other, .out = &spelled, .found = &found };
	bool valid = strlen(text) <= SPDX_MAX_BYTES && read_all(&r);
	if (!valid || spelled.overflow)
		return err_set(e, ERR_USAGE, "'%.60s' is not an SPDX license expression", text);
	found.text = buf_steal(&spelled);
	*out = found;
	found = (struct spdx){ 0 };
	return 0;
}

void spdx_release(struct spdx *s)
{
	free(s->text);
	free(s->unknown);
	free(s->deprecated);
	*s = (struct spdx){ 0 };
}
