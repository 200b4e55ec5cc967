#include "s3/xml.h"

#include "util/buf.h"
#include "util/mem.h"

#include <expat.h>
#include <string.h>

#define MAX_PATH 1024

struct reader {
	XML_Parser parser;
	s3_xml_fn *fn;
	void *ctx;
	struct err *e;
	int rc;
	char path[MAX_PATH];
	size_t ends[S3_XML_DEPTH]; /* lengths of the path above each open element */
	size_t depth;
	struct buf text;
};

static void stop(struct reader *r, int rc)
{
	r->rc = rc;
	XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = ctx;
	const char *local = strrchr(name, ':');
	size_t at = strlen(r->path);
	(void)attributes;
	local = local && local[1] ? local + 1 : name;
	if (r->depth == S3_XML_DEPTH || at + strlen(local) + 2 > sizeof r->path) {
		stop(r, err_set(r->e, ERR_INTEGRITY, "the answer's XML is nested too deeply"));
		return;
	}
	r->ends[r->depth++] = at;
	if (at)
		r->path[at++] = '/';
	memcpy(r->path + at, local, strlen(local) + 1);
	buf_clear(&r->text);
}

static void on_text(void *ctx, const XML_Char *text, int len)
{
	struct reader *r = ctx;
	if (r->rc < 0)
		return;
	buf_add(&r->text, text, (size_t)len);
	int rc = buf_ok(&r->text, "an element of the answer", r->e);
	if (rc < 0)
		stop(r, rc);
}

/* Expat also reports the end of an empty element at whose start it was stopped. */
static void on_end(void *ctx, const XML_Char *name)
{
	struct reader *r = ctx;
	(void)name;
	if (r->rc < 0)
		return;
	int rc = r->fn(r->ctx, r->path, buf_str(&r->text), r->e);
	r->path[r->ends[--r->depth]] = '\0';
	buf_clear(&r->text);
	if (rc < 0)
		stop(r, rc);
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
		       const XML_Char *public, int internal)
{
	struct reader *r = ctx;
	(void)name, (void)system, (void)public, (void)internal;
	stop(r, err_set(r->e, ERR_INTEGRITY, "the answer's XML has a DOCTYPE, which is refused"));
}

static int parse(struct reader *r, const char *data, size_t len)
{
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	if (XML_Parse(r->parser, data, (int)len, 1) == XML_STATUS_OK)
		return 0;
	if (r->rc < 0)
		return r->rc;
	return err_set(r->e, ERR_INTEGRITY, "the answer is not well-formed XML (%s)",
		       XML_ErrorString(XML_GetErrorCode(r->parser)));
}

int s3_xml_parse(const char *data, size_t len, s3_xml_fn *fn, void *ctx, struct err *e)
{
	if (len > S3_XML_MAX)
		return err_set(e, ERR_INTEGRITY, "the answer has more than %llu bytes",
			       (unsigned long long)S3_XML_MAX);
	struct reader r = { .parser = XML_ParserCreate(NULL), .fn = fn, .ctx = ctx, .e = e };
	if (!r.parser)
		return err_set(e, ERR_SYSTEM, "out of memory for an XML parser");
	buf_init(&r.text, S3_XML_TEXT);
	int rc = parse(&r, data, len);
	XML_ParserFree(r.parser);
	buf_wipe(&r.text); /* STS answers with secrets */
	return rc;
}
