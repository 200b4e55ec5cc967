#include "github/name.h"

#include "hash/sha256.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define MODELS "targets/models/"
#define TARGETS "targets"
#define PENDING ".partial"
#define MARK 8 /* hex digits */
#define HEX (DIGEST_HEX - 1)
/* Of a tag: far below the limits of git and of file systems. Of an asset: with digest, mark and the
 * number of the part below 255 bytes. */
#define MAX_ID 128
#define MAX_FILE 150

/* -- bytes ------------------------------------------------------------------------ */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool is_hex(const char *s, size_t len)
{
	return strspn(s, "0123456789abcdef") >= len;
}

static void mark_of(char out[MARK + 1], const char *original)
{
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of(original, strlen(original), &d);
	digest_hex(hex, &d);
	snprintf(out, MARK + 1, "%s", hex);
}

/* In place: what neither git nor GitHub keeps as it is. */
static void fit(char *s)
{
	for (char *c = s; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
		if (!is_plain(*c) || (*c == '.' && (c == s || c[-1] == '.')))
			*c = '-';
	}
	size_t len = strlen(s);
	if (len && s[len - 1] == '.')
		s[len - 1] = '-';
}

/* The length without ".001" at the end, which is *part; 0: there is none. Only as parts are named:
 * with three digits, or four of which the first is not 0. */
static size_t without_number(const char *s, unsigned *part)
{
	const char *dot = strrchr(s, '.');
	size_t len = dot ? strlen(dot + 1) : 0;
	uint64_t n;
	*part = 0;
	bool fits = len == 3 || (len == 4 && dot[1] != '0');
	if (!fits || !parse_u64(dot + 1, &n) || !n)
		return strlen(s);
	*part = (unsigned)n;
	return (size_t)(dot - s);
}

/* -- tags ------------------------------------------------------------------------- */

bool github_name_is_base(const char *base)
{
	return path_is_id(base) && !str_ends(base, ".") && !str_ends(base, ".lock");
}

/* "ID" of targets/models/ID/FILE, else NULL. The caller frees it. */
static char *model_of(const char *key)
{
	if (!str_starts(key, MODELS))
		return NULL;
	const char *id = key + strlen(MODELS), *slash = strrchr(id, '/');
	return slash && slash > id ? mem_strndup(id, (size_t)(slash - id)) : NULL;
}

/* Does it end as a name that was changed does? */
static bool ends_with_mark(const char *s)
{
	size_t len = strlen(s);
	return len > MARK && s[len - MARK - 1] == '-' && is_hex(s + len - MARK, MARK);
}

static char *fitting_id(const char *id)
{
	CLEANUP(mem_free_ptr) char *fitted = mem_strndup(id, MIN(strlen(id), (size_t)MAX_ID));
	char mark[MARK + 1];
	fit(fitted);
	if (strcmp(fitted, id) == 0 && !str_ends(id, ".lock") && !ends_with_mark(id))
		return STEAL(fitted);
	mark_of(mark, id);
	return mem_printf("%s-%s", fitted, mark);
}

char *github_name_tag(const char *base, const char *key, unsigned release)
{
	CLEANUP(mem_free_ptr) char *id = model_of(key);
	CLEANUP(mem_free_ptr) char *fitted = id ? fitting_id(id) : NULL;
	CLEANUP(mem_free_ptr) char *tag = mem_printf("%s%s%s", base, id ? "-" : "",
						     fitted ? fitted : "");
	return release > 1 ? mem_printf("%s+%u", tag, release) : STEAL(tag);
}

bool github_name_is_tag(const char *base, const char *tag, unsigned *release)
{
	const char *rest = tag + strlen(base), *plus;
	uint64_t n = 1;
	if (!str_starts(tag, base) || (*rest && *rest != '-' && *rest != '+'))
		return false;
	plus = strchr(rest, '+');
	if (plus && (!parse_u64(plus + 1, &n) || n < 2 || n > UINT32_MAX || plus[1] == '0'))
		return false;
	*release = (unsigned)n;
	return true;
}

/* -- assets ----------------------------------------------------------------------- */

/* "<64 hex digits>." at the start of the file's name? */
static bool has_digest(const char *name)
{
	return strlen(name) > HEX + 1 && is_hex(name, HEX) && name[HEX] == '.';
}

/* Do the tag and the rest of the name say in which folder it is? */
static bool is_in_place(const char *key)
{
	CLEANUP(mem_free_ptr) char *id = model_of(key);
	CLEANUP(mem_free_ptr) char *dir = path_dir(key);
	return id || strcmp(dir, TARGETS) == 0;
}

/* Would its end be read as the number of a part, or its start as a mark? */
static bool is_misleading(const char *file)
{
	unsigned part;
	without_number(file, &part);
	return part || str_ends(file, PENDING) || (is_hex(file, MARK) && file[MARK] == '.');
}

/* The last bytes, because they say what kind of file it is; without an end that misleads. */
static char *fitting_file(const char *file)
{
	size_t len = strlen(file);
	char *fitted = mem_strdup(file + (len > MAX_FILE ? len - MAX_FILE : 0)), *dot;
	unsigned part;
	fit(fitted);
	without_number(fitted, &part);
	dot = strrchr(fitted, '.');
	if (dot && (part || strcmp(dot, PENDING) == 0))
		*dot = '-';
	return fitted;
}

static char *whole(const char *key)
{
	const char *name = path_base(key), *file = has_digest(name) ? name + HEX + 1 : name;
	CLEANUP(mem_free_ptr) char *fitted = fitting_file(file);
	char mark[MARK + 1];
	if (file != name && strcmp(fitted, file) == 0 && is_in_place(key) && !is_misleading(file))
		return mem_strdup(name);
	mark_of(mark, key);
	return mem_printf("%.*s%s.%s", (int)(file - name), name, mark, fitted);
}

char *github_name_asset(const char *key, unsigned part)
{
	CLEANUP(mem_free_ptr) char *name = whole(key);
	return part ? mem_printf("%s.%03u", name, part) : STEAL(name);
}

char *github_name_pending(const char *key, unsigned part)
{
	CLEANUP(mem_free_ptr) char *first = github_name_asset(key, part);
	return mem_printf("%s" PENDING, first);
}

uint64_t github_name_parts(uint64_t size, uint64_t part_size)
{
	return size <= part_size ? 0 : size / part_size + (size % part_size != 0);
}

/* -- back to the key --------------------------------------------------------------- */

char *github_name_label(const char *key, unsigned part)
{
	return part ? mem_printf("%s.%03u", key, part) : mem_strdup(key);
}

void github_name_release(struct github_name *n)
{
	free(n->key);
	*n = (struct github_name){ 0 };
}

/* Has this object this tag and this asset? */
static bool is_named(const char *base, const char *tag, unsigned release, const char *asset,
		     const char *key)
{
	if (!path_is_key(key))
		return false;
	CLEANUP(mem_free_ptr) char *its_tag = github_name_tag(base, key, release);
	CLEANUP(mem_free_ptr) char *its_asset = whole(key);
	return strcmp(its_tag, tag) == 0 && strcmp(its_asset, asset) == 0;
}

/* The key that a name without changes stands for. The caller frees it. */
static char *plain_key(const char *base, const char *tag, const char *asset)
{
	const char *id = tag + strlen(base);
	size_t len = strcspn(id, "+");
	if (len)
		return mem_printf(MODELS "%.*s/%s", (int)len - 1, id + 1, asset);
	return mem_printf(TARGETS "/%s", asset);
}

/* The name of the whole object, from that of a part of it. The caller frees it. */
static char *without_part(const char *asset, struct github_name *n)
{
	size_t len = strlen(asset);
	n->pending = str_ends(asset, PENDING);
	CLEANUP(mem_free_ptr)
	char *name = mem_strndup(asset, len - (n->pending ? strlen(PENDING) : 0));
	return mem_strndup(name, without_number(name, &n->part));
}

static char *labelled_key(const char *label, unsigned part)
{
	unsigned labelled;
	size_t len = without_number(label, &labelled);
	return part && labelled == part ? mem_strndup(label, len) : mem_strdup(label);
}

bool github_name_parse(const char *base, const char *tag, const char *asset, const char *label,
		       struct github_name *out)
{
	struct github_name n = { 0 };
	unsigned release;
	if (!github_name_is_tag(base, tag, &release))
		return false;
	CLEANUP(mem_free_ptr) char *name = without_part(asset, &n);
	if (n.pending && n.part > 1)
		return false;
	n.key = labelled_key(label ? label : "", n.part);
	if (!is_named(base, tag, release, name, n.key)) {
		free(n.key);
		n.key = plain_key(base, tag, name);
	}
	bool ours = is_named(base, tag, release, name, n.key);
	if (ours)
		*out = n;
	else
		github_name_release(&n);
	return ours;
}
