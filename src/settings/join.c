#include "settings/join.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <ctype.h>
#include <string.h>

#define DIGEST_KEY "sha256"
#define HINT_WHOLE \
	"copy the whole line from the publisher again; it ends with #sha256= and 64 digits"

void join_release(struct join *j)
{
	free(j->name);
	str_list_release(&j->urls);
	*j = (struct join){ 0 };
}

/* -- the URL ----------------------------------------------------------------------------- */

static int refuse(const char *url, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	err_set(e, ERR_USAGE, "%s: %s", shown, why);
	return err_hint(e, HINT_WHOLE);
}

/* `hex` is not a digest: says what is wrong with it. */
static int refuse_digest(const char *url, const char *hex, struct err *e)
{
	size_t digits = strspn(hex, "0123456789abcdefABCDEF"), len = strlen(hex);
	CLEANUP(mem_free_ptr) char *why = NULL;
	if (digits < len)
		why = mem_printf("the digest behind #" DIGEST_KEY "= has '%c', which is not a hex "
				 "digit",
				 isprint((unsigned char)hex[digits]) ? hex[digits] : '?');
	else
		why = mem_printf("the digest behind #" DIGEST_KEY
				 "= has %zu digits instead of 64%s",
				 len, len < 64 ? ": the line was cut" : "");
	return refuse(url, why, e);
}

static int refuse_key(const char *url, const char *part, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = mem_strndup(part, strcspn(part, "="));
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	err_set(e, ERR_USAGE, "%s: '%.40s' behind the '#' is not known", shown, key);
	return err_hint(e, "only " DIGEST_KEY "=HEX, the SHA-256 of 1.root.json, may be there");
}

/* One part of the fragment, "sha256=HEX". */
static int read_part(const char *url, const char *part, bool *has_root, struct digest *root,
		     struct err *e)
{
	size_t len = sizeof DIGEST_KEY - 1;
	if (!str_starts_nocase(part, DIGEST_KEY) || (part[len] != '=' && part[len]))
		return refuse_key(url, part, e);
	if (*has_root)
		return refuse(url, "it has two digests", e);
	if (!part[len] || !digest_parse(root, part + len + 1))
		return refuse_digest(url, part[len] ? part + len + 1 : "", e);
	*has_root = true;
	return 0;
}

static int read_fragment(const char *url, const char *fragment, bool *has_root, struct digest *root,
			 struct err *e)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	int rc = 0;
	if (strchr(fragment, '#'))
		return refuse(url, "it has a second '#'", e);
	if (strchr(fragment, '%'))
		return refuse(url, "what is behind the '#' has percent escapes", e);
	str_list_split(&parts, fragment, "&");
	if (!parts.count)
		return refuse(url, "the digest behind the '#' is missing", e);
	for (size_t i = 0; rc == 0 && i < parts.count; i++)
		rc = read_part(url, parts.at[i], has_root, root, e);
	return rc;
}

int join_split(const char *word, char **url, bool *has_root, struct digest *root, struct err *e)
{
	CLEANUP(mem_free_ptr) char *tidy = url_tidy(word);
	char *hash = strchr(tidy, '#');
	struct digest found = { 0 };
	bool has = false;
	if (!hash && strstr(tidy, "%23" DIGEST_KEY))
		return refuse(tidy, "the '#' was changed to %23 on its way", e);
	if (hash) {
		*hash = '\0';
		int rc = read_fragment(tidy, hash + 1, &has, &found, e);
		if (rc < 0)
			return rc;
	}
	*url = STEAL(tidy);
	*has_root = has;
	*root = found;
	return 0;
}

char *join_url(const char *base, const struct digest *root)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX];
	bool parsed = !str_starts_nocase(base, "file:") && !str_starts_nocase(base, "oci:") &&
		      url_parse(base, &url, &ignored) == 0;
	const char *text = parsed ? url.text : base;
	return mem_printf("%s%s#" DIGEST_KEY "=%s", text, !parsed || str_ends(text, "/") ? "" : "/",
			  digest_hex(hex, root));
}

void join_command(const char *base, const struct digest *root, struct str_list *out)
{
	str_list_add(out, "ferry");
	str_list_add(out, "repository");
	str_list_add(out, "add");
	str_list_take(out, join_url(base, root));
}

char *join_fingerprint(const struct digest *root, const char *between)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	char hex[DIGEST_HEX];
	digest_hex(hex, root);
	for (int i = 0; i < 16; i++)
		buf_addf(&b, "%s%.4s", i == 0 ? "" : i == 8 ? between : " ", hex + 4 * i);
	return buf_steal(&b);
}

/* -- the file ---------------------------------------------------------------------------- */

bool join_is_file(const char *word)
{
	const char *hash = strchr(word, '#');
	size_t len = hash && strstr(word, "://") ? (size_t)(hash - word) : strlen(word);
	size_t suffix = sizeof JOIN_FILE_SUFFIX - 1;
	CLEANUP(mem_free_ptr) char *path = mem_strndup(word, len);
	return len > suffix && str_eq_nocase(path + len - suffix, JOIN_FILE_SUFFIX);
}

static int no_join_file(const char *what, const char *why, struct err *e)
{
	err_set(e, ERR_USAGE, "%s: %s", what, why);
	return err_hint(e, "it must have one section [repository.NAME] with metadata = URL… and "
			   "root-sha256 = HEX, as `ferry catalog invite` writes it");
}

/* A folder's path, relative to that of the file, becomes a URL. */
static int read_url(const struct conf *c, const char *word, bool from_net, struct join *j,
		    struct err *e)
{
	bool here = !strstr(word, "://") || str_starts_nocase(word, "file:");
	if (here && from_net)
		return no_join_file(c->path,
				    "a file from the net must not name files of this "
				    "machine",
				    e);
	if (strstr(word, "://")) {
		str_list_add(&j->urls, word);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *path = path_join(c->dir ? c->dir : ".", word);
	str_list_take(&j->urls, path_file_url(path));
	return 0;
}

static int read_section(const struct conf *c, const struct conf_section *s, bool from_net,
			struct join *j, struct err *e)
{
	static const char *const keys[] = { "metadata", "root-sha256", NULL };
	CLEANUP(str_list_release) struct str_list words = { 0 };
	const char *hex = conf_get(s, "root-sha256");
	int rc = conf_check_keys(c, s, keys, e);
	if (rc < 0)
		return err_hint(e, "only metadata and root-sha256 belong into a file to join with");
	conf_get_words(s, "metadata", &words);
	if (!words.count || !hex)
		return no_join_file(c->path, !hex ? "it has no root-sha256" : "it has no metadata",
				    e);
	if (words.count > JOIN_MAX_URLS)
		return no_join_file(c->path, "it has too many URLs", e);
	if (!digest_parse(&j->root, hex))
		return no_join_file(c->path, "its root-sha256 is not a SHA-256 in hex", e);
	for (size_t i = 0; rc == 0 && i < words.count; i++)
		rc = read_url(c, words.at[i], from_net, j, e);
	j->name = path_is_id(s->name) ? mem_strdup(s->name) : NULL;
	return rc;
}

int join_parse(const char *text, size_t len, const char *what, bool from_net, struct join *out,
	       struct err *e)
{
	CLEANUP(conf_release) struct conf conf = { 0 };
	CLEANUP(join_release) struct join j = { 0 };
	if (len > JOIN_FILE_MAX_BYTES)
		return no_join_file(what, "it is too large for a file to join with", e);
	int rc = conf_parse(text, len, what, &conf, e);
	if (rc < 0)
		return err_hint(e, "this is no file to join a repository with, or it is damaged: "
				   "get it from the publisher again");
	const struct conf_section *s = conf_nth(&conf, "repository", 0);
	if (!s || conf.count != 1)
		return no_join_file(what, !s ? "it names no repository" : "it has other sections",
				    e);
	rc = read_section(&conf, s, from_net, &j, e);
	if (rc < 0)
		return rc;
	*out = j;
	j = (struct join){ 0 };
	return 0;
}

void join_section(const struct join *j, struct buf *out)
{
	char hex[DIGEST_HEX];
	buf_addf(out, "[repository.%s]\nmetadata =", j->name);
	for (size_t i = 0; i < j->urls.count; i++)
		buf_addf(out, "%s%s", j->urls.count == 1 ? " " : "\n    ", j->urls.at[i]);
	buf_addf(out, "\nroot-sha256 = %s\n", digest_hex(hex, &j->root));
}

void join_write(const struct join *j, const char *title, struct buf *out)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(title ? title : j->name);
	CLEANUP(mem_free_ptr) char *print = join_fingerprint(&j->root, "\n#   ");
	buf_addf(out,
		 "# %s\n"
		 "# To fetch models from this repository: ferry repository add THIS-FILE\n"
		 "# It shows this fingerprint of the root. Compare it with what the publisher "
		 "says:\n"
		 "#   %s\n",
		 shown, print);
	join_section(j, out);
}
