/* What GitHub's API answers: releases, assets, errors, links to the next page; and netrc. */
#include "github/github.h"
#include "github/name.h"
#include "github/release.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void as_asset(const json_t *o)
{
	struct github_asset a = { 0 };
	struct github_name n = { 0 };
	struct err e = ERR_INIT;
	if (github_asset_parse(o, &a, &e) < 0)
		return;
	if (!a.name)
		abort();
	if (github_name_parse("models", "models-phi", a.name, a.label, &n)) {
		CLEANUP(mem_free_ptr)
		char *back = n.pending ? github_name_pending(n.key, n.part)
				       : github_name_asset(n.key, n.part);
		if (strcmp(back, a.name) != 0)
			abort();
	}
	github_name_release(&n);
	github_asset_release(&a);
}

static void as_release(const json_t *o)
{
	struct github_release r = { 0 };
	struct err e = ERR_INIT;
	if (github_release_parse(o, &r, &e) == 0 && (!r.tag || !r.upload_url))
		abort();
	github_release_release(&r);
}

static void as_fault(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT, http = ERR_INIT;
	struct http_response r = { .status = 403 };
	char code[GITHUB_CODE];
	err_set(&http, ERR_USAGE, "HTTP 422");
	struct github_failure f = { &r, (const char *)data, len, 0, NULL, &http };
	if (github_fault(&f, code, &e) == 0 || !e.class)
		abort();
}

static void as_text(const char *text)
{
	int64_t s;
	free(github_next_page(text));
	free(github_token_netrc(text, "h"));
	(void)github_parse_expiry(text, &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, len);
	CLEANUP(json_release) json_t *o = NULL;
	struct err e = ERR_INIT;
	as_fault(data, len);
	as_text(text);
	if (json_lenient(data, len, MIB, "the answer", &o, &e) < 0)
		return 0;
	as_asset(o);
	as_release(o);
	for (size_t i = 0; i < json_array_size(o); i++) {
		as_asset(json_array_get(o, i));
		as_release(json_array_get(o, i));
	}
	return 0;
}
