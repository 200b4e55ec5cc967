#include "hub/name.h"

#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define SCHEME "hf:"
#define PART_MAX 96
#define REVISION_MAX 255

void hub_name_release(struct hub_name *n)
{
	free(n->repo);
	free(n->revision);
	free(n->file);
	*n = (struct hub_name){ 0 };
}

bool hub_name_is(const char *text)
{
	return str_starts_nocase(text, SCHEME);
}

static bool is_part(const char *s, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	if (!len || len > PART_MAX || strchr("-.", s[0]) || strchr("-.", s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(letters, s[i]) || (i && s[i] == s[i - 1] && strchr("-.", s[i])))
			return false;
	return true;
}

bool hub_name_is_repo(const char *repo)
{
	const char *slash = strchr(repo, '/');
	return slash && is_part(repo, (size_t)(slash - repo)) &&
	       is_part(slash + 1, strlen(slash + 1));
}

bool hub_name_is_commit(const char *revision)
{
	return strlen(revision) == HUB_COMMIT - 1 &&
	       strspn(revision, "0123456789abcdef") == HUB_COMMIT - 1;
}

/* What git-check-ref-format(1) refuses, as far as it matters in a URL. */
static bool is_revision(const char *s)
{
	return *s && strlen(s) <= REVISION_MAX && path_is_key(s) && !strpbrk(s, " ~^?*[\\") &&
	       !strstr(s, "@{");
}

/* Behind the host, or NULL. */
static const char *on_the_hub(const char *text)
{
	static const char *const hosts[] = { "https://huggingface.co/", "https://hf.co/",
					     "huggingface.co/", "hf.co/" };
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (str_starts(text, hosts[i]))
			return text + strlen(hosts[i]);
	return NULL;
}

/* Of "org/m", "org/m/tree/main", "org/m/blob/main/m.gguf"; the parts are cut out of path. */
static char *name_of_path(char *path)
{
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	str_list_split(&parts, path, "/");
	bool folder = parts.count == 4 && strcmp(parts.at[2], "tree") == 0;
	bool file = parts.count > 4 && strcmp(parts.at[2], "blob") == 0;
	CLEANUP(buf_release) struct buf name = BUF_INIT(8 * KIB);
	if (parts.count != 2 && !folder && !file)
		return NULL;
	buf_addf(&name, SCHEME "%s/%s", parts.at[0], parts.at[1]);
	if ((folder || file) && strcmp(parts.at[3], HUB_REVISION) != 0)
		buf_addf(&name, "@%s", parts.at[3]);
	for (size_t i = 4; file && i < parts.count; i++)
		buf_addf(&name, "%c%s", i == 4 ? ':' : '/', parts.at[i]);
	return mem_strdup(buf_str(&name));
}

char *hub_name_of_page(const char *text)
{
	const char *path = on_the_hub(text);
	if (!path)
		return NULL;
	CLEANUP(mem_free_ptr) char *cut = mem_strndup(path, strcspn(path, "?#"));
	CLEANUP(mem_free_ptr) char *name = path_percent_decode(cut) ? name_of_path(cut) : NULL;
	CLEANUP(hub_name_release) struct hub_name n = { 0 };
	struct err none = ERR_INIT;
	return name && hub_name_parse(name, &n, &none) == 0 ? STEAL(name) : NULL;
}

static int wrong(const char *text, const char *what, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	err_set(e, ERR_USAGE, "%.300s: %s", shown, what);
	return err_hint(e, "write hf:OWNER/REPO, hf:OWNER/REPO:FILE, hf:OWNER/REPO:Q4_K_M or "
			   "hf:OWNER/REPO@REVISION:FILE");
}

int hub_name_parse(const char *text, struct hub_name *out, struct err *e)
{
	CLEANUP(hub_name_release) struct hub_name n = { 0 };
	const char *p = text + strlen(SCHEME);
	size_t len = strcspn(p, "@:");
	n.repo = mem_strndup(p, len);
	p += len;
	if (*p == '@') {
		len = strcspn(++p, ":");
		n.revision = mem_strndup(p, len);
		p += len;
	} else {
		n.revision = mem_strdup(HUB_REVISION);
	}
	if (*p == ':')
		n.file = mem_strdup(p + 1);
	if (!hub_name_is_repo(n.repo))
		return wrong(text, "this is not the name of a repository on the Hub", e);
	if (!is_revision(n.revision))
		return wrong(text, "this is not a revision", e);
	if (n.file && !path_is_key(n.file))
		return wrong(text, "this is not the name of a file in a repository", e);
	*out = n;
	n = (struct hub_name){ 0 };
	return 0;
}
