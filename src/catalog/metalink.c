#include "catalog/metalink.h"

#include <ctype.h>
#include <string.h>

#define PRIORITY_MAX 999999
#define REPLACEMENT "\xEF\xBF\xBD"

/* ---- XML ---- */

/* XML 1.0, section 2.2: no control characters but three, and not U+FFFE and U+FFFF. White space
 * that parsers would normalise is written as references. */
static void add_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (strchr("&<>\"'\t\n\r", c))
			buf_addf(out, "&#%u;", c);
		else if (c < 0x20)
			buf_adds(out, REPLACEMENT);
		else if (strncmp(s, "\xEF\xBF\xBE", 3) == 0 || strncmp(s, "\xEF\xBF\xBF", 3) == 0)
			buf_adds(out, REPLACEMENT), s += 2;
		else
			buf_addc(out, *s);
	}
}

static void add_attribute(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s=\"", name);
	add_text(out, value);
	buf_addc(out, '"');
}

static void add_element(struct buf *out, const char *indent, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(out, "%s<%s>", indent, name);
	add_text(out, value);
	buf_addf(out, "</%s>\n", name);
}

/* ---- files ---- */

static void add_hash(struct buf *out, const char *open, const struct digest *d)
{
	char hex[DIGEST_HEX];
	buf_addf(out, "%s%s</hash>\n", open, digest_hex(hex, d));
}

static void add_pieces(struct buf *out, const struct metalink_file *f)
{
	if (f->grid.count == 0)
		return;
	buf_addf(out, "    <pieces length=\"%llu\" type=\"sha-256\">\n",
		 (unsigned long long)f->grid.piece_length);
	for (uint32_t i = 0; i < f->grid.count; i++)
		add_hash(out, "      <hash>", &f->pieces[i]);
	buf_adds(out, "    </pieces>\n");
}

static void add_url(struct buf *out, const struct metalink_url *u)
{
	uint64_t priority = MAX(MIN(u->priority, (uint64_t)PRIORITY_MAX), (uint64_t)1);
	buf_addf(out, "    <url priority=\"%llu\"", (unsigned long long)priority);
	if (u->region && strlen(u->region) == 2 && isalpha((unsigned char)u->region[0]) &&
	    isalpha((unsigned char)u->region[1])) {
		const char location[] = { (char)tolower((unsigned char)u->region[0]),
					  (char)tolower((unsigned char)u->region[1]), '\0' };
		add_attribute(out, "location", location);
	}
	buf_addc(out, '>');
	add_text(out, u->url);
	buf_adds(out, "</url>\n");
}

static void add_file(struct buf *out, const struct metalink *m, const struct metalink_file *f)
{
	buf_adds(out, "  <file");
	add_attribute(out, "name", f->name);
	buf_adds(out, ">\n");
	add_element(out, "    ", "identity", m->identity);
	add_element(out, "    ", "version", m->version);
	add_element(out, "    ", "description", m->description);
	if (m->publisher) {
		buf_adds(out, "    <publisher");
		add_attribute(out, "name", m->publisher);
		buf_adds(out, "/>\n");
	}
	buf_addf(out, "    <size>%llu</size>\n", (unsigned long long)f->grid.size);
	add_hash(out, "    <hash type=\"sha-256\">", &f->sha256);
	add_pieces(out, f);
	for (size_t i = 0; i < f->url_count; i++)
		add_url(out, &f->urls[i]);
	buf_adds(out, "  </file>\n");
}

int metalink_format(const struct metalink *m, struct buf *out, struct err *e)
{
	buf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n"
		      "  <generator>Model Ferry/" FERRY_VERSION "</generator>\n");
	add_element(out, "  ", "published", m->published);
	for (size_t i = 0; i < m->file_count; i++)
		add_file(out, m, &m->files[i]);
	buf_adds(out, "</metalink>\n");
	return buf_ok(out, "the Metalink document", e);
}
