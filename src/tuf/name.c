#include "tuf/name.h"

#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

#define SUFFIX ".json"

char *tuf_name_file(const char *role, uint64_t version)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(role, "");
	return version ? mem_printf("%llu.%s" SUFFIX, (unsigned long long)version, encoded)
		       : mem_printf("%s" SUFFIX, encoded);
}

void tuf_name_release(struct tuf_name *n)
{
	mem_free_ptr(&n->role);
}

/* The number in front of the first dot; 0: none. */
static uint64_t leading_version(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	CLEANUP(mem_free_ptr) char *number = mem_strndup(name, digits);
	uint64_t version;
	return name[0] != '0' && name[digits] == '.' && parse_u64(number, &version) ? version : 0;
}

bool tuf_name_parse(const char *file, struct tuf_name *out)
{
	CLEANUP(tuf_name_release) struct tuf_name n = { 0 };
	if (!str_ends(file, SUFFIX))
		return false;
	CLEANUP(mem_free_ptr) char *name = mem_strndup(file, strlen(file) - strlen(SUFFIX));
	n.version = leading_version(name);
	n.role = mem_strdup(n.version ? strchr(name, '.') + 1 : name);
	if (!*n.role || !path_percent_decode(n.role))
		return false;
	*out = n;
	n.role = NULL;
	return true;
}

uint64_t tuf_name_version(const char *file, const char *role)
{
	CLEANUP(tuf_name_release) struct tuf_name n = { 0 };
	return tuf_name_parse(file, &n) && strcmp(n.role, role) == 0 ? n.version : 0;
}
