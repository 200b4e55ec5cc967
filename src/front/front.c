#include "front/front.h"

#include "util/mem.h"

#include <ctype.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int front_check_host(const struct front *f, struct err *e)
{
	size_t len = strlen(f->url->host);
	if (len && strspn(f->url->host, LETTERS "-._:[]") == len)
		return 0;
	return err_set(e, ERR_USAGE,
		       "mirror %s: its URL has a host name with characters that a "
		       "server cannot be given",
		       f->id);
}

int front_prefix(const struct front *f, char **out, struct err *e)
{
	size_t len = strlen(f->url->path);
	while (len && f->url->path[len - 1] == '/')
		len--;
	CLEANUP(mem_free_ptr) char *prefix = mem_strndup(f->url->path, len);
	if (strspn(prefix, LETTERS "-._~/") != len || strstr(prefix, "//"))
		return err_set(e, ERR_USAGE,
			       "mirror %s: its URL has a path with other characters "
			       "than letters, digits, '-', '.', '_', '~' and '/'",
			       f->id);
	*out = STEAL(prefix);
	return 0;
}

char *front_name(const struct front *f)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	buf_adds(&b, "ferry_");
	for (const char *c = f->id; *c; c++)
		buf_addf(&b, isalnum((unsigned char)*c) ? "%c" : "_%02x", (unsigned char)*c);
	return buf_steal(&b);
}

bool front_has_tls(const struct front *f)
{
	return f->set->tls && strcmp(f->url->scheme, "https") == 0;
}

bool front_has_origins(const struct front *f)
{
	return f->set->cors.count && strcmp(f->set->cors.at[0], "*") != 0;
}

void front_quote(struct buf *out, const char *text)
{
	buf_addc(out, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *c);
	}
	buf_addc(out, '"');
}
