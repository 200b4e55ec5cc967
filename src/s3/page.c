#include "s3/page.h"

#include "s3/xml.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void item_release(struct s3_item *i)
{
	free(i->name);
	free(i->id);
	free(i->etag);
	free(i->checksum_sha256);
	free(i->algorithm);
	*i = (struct s3_item){ 0 };
}

void s3_page_release(struct s3_page *p)
{
	for (size_t i = 0; i < p->count; i++)
		item_release(&p->at[i]);
	free(p->at);
	free(p->next);
	free(p->next_id);
	*p = (struct s3_page){ 0 };
}

/* "2026-01-02T03:04:05.678Z" to seconds; 0 for anything else. */
static int64_t time_of(const char *text)
{
	int64_t s = 0;
	char whole[TIME_TEXT];
	if (strlen(text) > 20 && text[19] == '.') {
		snprintf(whole, sizeof whole, "%.19sZ", text);
		text = whole;
	}
	return parse_time(text, &s) ? s : 0;
}

struct reader {
	struct s3_page page;
	struct s3_item item; /* that is being read */
	bool encoded;        /* names are percent-encoded */
};

static void set(char **to, const char *text)
{
	free(*to);
	*to = mem_strdup(text);
}

static void set_etag(char **to, const char *text)
{
	size_t len = strlen(text);
	bool quoted = len >= 2 && text[0] == '"' && text[len - 1] == '"';
	free(*to);
	*to = quoted ? mem_strndup(text + 1, len - 2) : mem_strdup(text);
}

static bool is_item(const char *element, enum s3_item_kind *kind)
{
	static const char *const names[] = { "Contents", "CommonPrefixes", "Upload", "Part",
					     "Version" };
	if (strcmp(element, "DeleteMarker") == 0) {
		*kind = S3_ITEM_VERSION;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(element, names[i]) == 0) {
			*kind = (enum s3_item_kind)i;
			return true;
		}
	return false;
}

static void fill(char **member)
{
	if (!*member)
		*member = mem_strdup("");
}

static int item_complete(struct reader *r, enum s3_item_kind kind, struct err *e)
{
	struct s3_page *p = &r->page;
	struct s3_item *i = &r->item;
	if (p->count >= S3_PAGE_ITEMS)
		return err_set(e, ERR_INTEGRITY, "a page of the list has more than %d entries",
			       S3_PAGE_ITEMS);
	i->kind = kind;
	fill(&i->name);
	fill(&i->id);
	fill(&i->etag);
	fill(&i->checksum_sha256);
	fill(&i->algorithm);
	p->at = mem_grow(p->at, p->count, &p->cap, sizeof *p->at);
	p->at[p->count++] = *i;
	*i = (struct s3_item){ 0 };
	return 0;
}

static int number(const char *text, uint64_t *out, struct err *e)
{
	return parse_u64(text, out) ? 0
				    : err_set(e, ERR_INTEGRITY, "the list has a malformed number");
}

static int item_member(struct s3_item *i, const char *name, const char *text, struct err *e)
{
	if (strcmp(name, "Key") == 0 || strcmp(name, "Prefix") == 0)
		set(&i->name, text);
	else if (strcmp(name, "UploadId") == 0 || strcmp(name, "VersionId") == 0)
		set(&i->id, text);
	else if (strcmp(name, "ETag") == 0)
		set_etag(&i->etag, text);
	else if (strcmp(name, "ChecksumSHA256") == 0)
		set(&i->checksum_sha256, text);
	else if (strcmp(name, "ChecksumAlgorithm") == 0)
		set(&i->algorithm, text);
	else if (strcmp(name, "LastModified") == 0 || strcmp(name, "Initiated") == 0)
		i->time_s = time_of(text);
	else if (strcmp(name, "IsLatest") == 0)
		i->latest = strcmp(text, "true") == 0;
	else if (strcmp(name, "Size") == 0)
		return number(text, &i->size, e);
	else if (strcmp(name, "PartNumber") == 0)
		return number(text, &i->number, e);
	return 0;
}

static void page_member(struct reader *r, const char *name, const char *text)
{
	struct s3_page *p = &r->page;
	if (strcmp(name, "IsTruncated") == 0)
		p->more = strcmp(text, "true") == 0;
	else if (strcmp(name, "EncodingType") == 0)
		r->encoded = strcmp(text, "url") == 0;
	else if (strcmp(name, "NextContinuationToken") == 0 || strcmp(name, "NextKeyMarker") == 0 ||
		 strcmp(name, "NextPartNumberMarker") == 0)
		set(&p->next, text);
	else if (strcmp(name, "NextUploadIdMarker") == 0 ||
		 strcmp(name, "NextVersionIdMarker") == 0)
		set(&p->next_id, text);
}

/* Paths are "ListBucketResult/Contents/Key". */
static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	struct reader *r = ctx;
	const char *name = strchr(path, '/');
	enum s3_item_kind kind;
	if (!name)
		return 0;
	name++;
	const char *member = strchr(name, '/');
	if (member) {
		CLEANUP(mem_free_ptr) char *item = mem_strndup(name, (size_t)(member - name));
		bool direct = is_item(item, &kind) && !strchr(member + 1, '/');
		return direct ? item_member(&r->item, member + 1, text, e) : 0;
	}
	if (is_item(name, &kind))
		return item_complete(r, kind, e);
	page_member(r, name, text);
	return 0;
}

/* As a form is encoded: AWS and others write a blank as '+', and a '+' as "%2B". */
static bool decode_name(char *name)
{
	for (char *c = name; *c; c++)
		if (*c == '+')
			*c = ' ';
	return path_percent_decode(name);
}

/* Markers are encoded as names are; tokens never are. */
static int decode(struct s3_page *p, struct err *e)
{
	bool ok = true;
	for (size_t i = 0; i < p->count && ok; i++)
		ok = decode_name(p->at[i].name);
	if (ok && p->next && p->next_id)
		ok = decode_name(p->next);
	return ok ? 0 : err_set(e, ERR_INTEGRITY, "the list has a malformed name");
}

int s3_page_parse(const char *text, size_t len, struct s3_page *out, struct err *e)
{
	struct reader r = { 0 };
	int rc = s3_xml_parse(text, len, on_element, &r, e);
	if (rc == 0 && r.encoded)
		rc = decode(&r.page, e);
	if (rc == 0 && r.page.more && !r.page.next)
		rc = err_set(e, ERR_INTEGRITY,
			     "the list is incomplete, but does not say where it continues");
	item_release(&r.item);
	if (rc < 0)
		s3_page_release(&r.page);
	else
		*out = r.page;
	return rc;
}
