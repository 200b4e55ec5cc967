/* The file with which a repository is joined: on this machine, or on the web. */
#include "fetch/remote_add_internal.h"

#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DEADLINE_MS 20000

/* "https://models.example.org/" and "lab.ferry". */
static int split(const char *word, char **base, char **key, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(word, &url, e);
	if (rc < 0)
		return rc;
	const char *name = strrchr(url.text, '/') + 1;
	CLEANUP(mem_free_ptr) char *decoded = mem_strdup(name);
	CLEANUP(mem_free_ptr) char *shown = url_redact(word);
	if (url.user || url.password) {
		err_set(e, ERR_USAGE, "%s: the URL must not contain a user name or password",
			shown);
		return err_hint(e, "download the file with another program, and give its path");
	}
	if (url.query || !path_percent_decode(decoded) || !path_is_key(decoded))
		return err_set(e, ERR_USAGE, "%s: this is not the URL of a file", shown);
	*base = mem_strndup(url.text, (size_t)(name - url.text));
	*key = STEAL(decoded);
	return 0;
}

static int download(const char *word, struct http_access_list *access,
		    const struct remote_options *options, struct buf *out, struct err *e)
{
	const struct mirror_env env = {
		.cancel = options->cancel,
		.clock = options->clock,
		.access = access,
	};
	CLEANUP(mem_free_ptr) char *base = NULL;
	CLEANUP(mem_free_ptr) char *key = NULL;
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	int rc = split(word, &base, &key, e);
	if (rc == 0)
		rc = mirror_open_url(options->kinds, &env, key, base, &m, e);
	return rc < 0 ? rc : mirror_get_small(m, key, DEADLINE_MS, out, e);
}

int remote_add_file(const char *word, struct http_access_list *access,
		    const struct remote_options *options, struct join *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(JOIN_FILE_MAX_BYTES);
	bool from_net = str_starts_nocase(word, "http://") || str_starts_nocase(word, "https://");
	CLEANUP(mem_free_ptr) char *shown = url_redact(word);
	int rc = from_net ? download(word, access, options, &text, e)
			  : file_read_named(word, &text, e);
	if (rc < 0 && !from_net && !err_is(e, ERR_CANCELLED)) {
		err_class_set(e, ERR_USAGE);
		return err_hint(e, "give the small file NAME" JOIN_FILE_SUFFIX " of the publisher");
	}
	return rc < 0 ? rc : join_parse(buf_str(&text), text.len, shown, from_net, out, e);
}
