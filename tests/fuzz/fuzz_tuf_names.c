/*
 * What names of roles and target paths become: names of files, parts of URLs, matches of
 * patterns, bins. The input is a name, and after a NUL a pattern.
 */
#include "tuf/folder.h"
#include "tuf/match.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file name, which nothing but the name itself decodes to. */
static void check_name(const char *encoded, const char *name)
{
	static const char fine[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789-._~%";
	CLEANUP(mem_free_ptr) char *back = mem_strdup(encoded);
	if (encoded[strspn(encoded, fine)] || !path_percent_decode(back) || strcmp(back, name) != 0)
		abort();
}

static void check_folder(const char *name)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path("dir", name);
	if (!str_starts(path, "dir/") || strchr(path + 4, '/') || !str_ends(path, ".json"))
		abort();
}

/* A file's name reads as what it was made of; no foreign name reads as a role without a name. */
static void check_file(const char *name, uint64_t version)
{
	CLEANUP(mem_free_ptr) char *file = tuf_name_file(name, version);
	CLEANUP(tuf_name_release) struct tuf_name n = { 0 }, given = { 0 };
	if (*name && (!tuf_name_parse(file, &n) || n.version != version ||
		      strcmp(n.role, name) != 0 || tuf_name_version(file, name) != version))
		abort();
	if (tuf_name_parse(name, &given) && !*given.role)
		abort();
}

/* A pattern without anything special is equal to what it matches; '*' matches one part. */
static void check_match(const char *name, const char *pattern)
{
	bool plain = !pattern[strcspn(pattern, "*?[")];
	bool fits = tuf_match_pattern(pattern, name);
	if (plain && fits != (strcmp(pattern, name) == 0))
		abort();
	if (tuf_match_pattern("*", name) != !strchr(name, '/'))
		abort();
	size_t slashes = 0, wanted = 0;
	for (const char *p = name; *p; p++)
		slashes += *p == '/';
	for (const char *p = pattern; *p; p++)
		wanted += *p == '/';
	if (fits && slashes != wanted)
		abort();
}

static void check_bin(const char *name, unsigned bits)
{
	struct tuf_bins bins = { .prefix = name, .bit_length = bits };
	CLEANUP(mem_free_ptr) char *bin = tuf_match_bin(&bins, name);
	if (!str_starts(bin, name) || strlen(bin) != strlen(name) + 1 + (bits + 3) / 4)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);
	size_t len = nul ? (size_t)(nul - data) : size;
	CLEANUP(mem_free_ptr) char *name = mem_printf("%.*s", (int)len, (const char *)data);
	size_t rest = nul ? size - len - 1 : 0;
	CLEANUP(mem_free_ptr) char *pattern = mem_printf("%.*s", (int)rest,
							 rest ? (const char *)nul + 1 : "");
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(name, "");
	check_name(encoded, name);
	check_folder(name);
	check_file(name, 1 + size);
	check_match(name, pattern);
	check_bin(name, 1 + (unsigned)size % TUF_MAX_BIN_BITS);
	return 0;
}
