#include "s3/s3.h"
#include "s3/region.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

/* An endpoint from the environment, as AWS's tools read it. */
static const char *from_environment(void)
{
	const char *own = getenv("AWS_ENDPOINT_URL_S3"), *all = getenv("AWS_ENDPOINT_URL");
	if (own && *own)
		return own;
	return all && *all ? all : NULL;
}

static int take_endpoint(struct s3_place *p, const char *text, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	if (url_parse(text, &url, e) < 0)
		return err_context(e, "endpoint");
	if (url.user || url.query) {
		err_set(e, ERR_USAGE, "the endpoint has a user name or a query");
		return err_hint(e, "write only https://HOST; credentials are read from where AWS's "
				   "tools look for them (man ferry-s3)");
	}
	CLEANUP(mem_free_ptr) char *host = url_host_header(&url); /* as it is signed */
	size_t len = strlen(url.path);
	while (len && url.path[len - 1] == '/')
		len--;
	p->endpoint = mem_printf("%s://%s%.*s", url.scheme, host, (int)len, url.path);
	p->aws = str_ends(url.host, ".amazonaws.com") || str_ends(url.host, ".amazonaws.com.cn");
	/* A special endpoint of AWS (dual-stack, accelerate, private link) stays as it is. */
	if (p->aws)
		p->aws = str_starts(url.host, "s3.") && !strstr(url.host, "dualstack") &&
			 !strstr(url.host, "vpce");
	return 0;
}

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-_";

/* Letters, digits, '.', '-' and, in old names, '_' and capitals. */
static int check_bucket(const char *name, struct err *e)
{
	size_t len = name ? strlen(name) : 0;
	if (len < 3 || len > 255 || strspn(name, name_bytes) != len || name[0] == '.' ||
	    strstr(name, ".."))
		return err_set(e, ERR_USAGE, "'%.100s' is not a valid bucket name",
			       name ? name : "");
	return 0;
}

/* It is part of AWS's host names: a '/' in it would lead to another host. */
static int check_region(const char *name, struct err *e)
{
	size_t len = strlen(name);
	if (len && len < S3_REGION && strspn(name, name_bytes) == len)
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	return err_set(e, ERR_USAGE, "'%.100s' is not a valid region name", shown);
}

/* Dots in the name of a bucket make the certificate invalid for its host name. */
static bool wants_path(const struct s3_place *p, enum s3_style style)
{
	if (style != S3_STYLE_AUTO)
		return style == S3_STYLE_PATH;
	return !p->aws || strpbrk(p->bucket, "._ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

int s3_place_open(struct s3_place *out, const struct s3_place_options *o, struct err *e)
{
	struct s3_place p = { .clock = o->credentials.clock };
	const char *endpoint = o->endpoint ? o->endpoint : from_environment();
	CLEANUP(mem_free_ptr) char *found = NULL;
	int rc = check_bucket(o->bucket, e);
	p.aws = true;
	if (rc == 0 && endpoint)
		rc = take_endpoint(&p, endpoint, e);
	if (rc < 0)
		return rc;
	struct s3_credentials_options who = o->credentials;
	who.region = o->region;
	p.credentials = s3_credentials_new(&who);
	if (!o->region)
		rc = s3_credentials_region(p.credentials, &found, e);
	const char *region = o->region ? o->region : found ? found : REGION_DEFAULT;
	if (rc == 0)
		rc = check_region(region, e);
	if (rc < 0) {
		s3_credentials_free(p.credentials);
		free(p.endpoint);
		return rc;
	}
	p.bucket = mem_strdup(o->bucket);
	p.region = mem_strdup(region);
	p.path_style = wants_path(&p, o->style);
	*out = p;
	pthread_mutex_init(&out->lock, NULL);
	return 0;
}

void s3_place_release(struct s3_place *p)
{
	if (!p->bucket)
		return;
	s3_credentials_free(p->credentials);
	pthread_mutex_destroy(&p->lock);
	free(p->endpoint);
	free(p->bucket);
	free(p->region);
	*p = (struct s3_place){ 0 };
}
