#include "oci/tag.h"

#include "hash/sha256.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define MARK 8 /* hex digits */

static bool is_hex_mark(const char *s)
{
	return strlen(s) == MARK && strspn(s, "0123456789abcdef") == MARK;
}

static bool is_version(const char *s)
{
	return s[0] == 'v' && s[1] && strspn(s + 1, "0123456789") == strlen(s + 1);
}

static bool is_ambiguous(const char *variant)
{
	return strchr(variant, '-') || is_version(variant) || is_hex_mark(variant) ||
	       strcmp(variant, &OCI_TAG_OLLAMA[1]) == 0 ||
	       strcmp(variant, &OCI_TAG_MODELPACK[1]) == 0;
}

static char *base_of(const char *id, const char *variant)
{
	CLEANUP(mem_free_ptr) char *whole = mem_printf("%s-%s", id, variant);
	bool ours = str_starts(whole, "ferry-"), cut = strlen(whole) > OCI_TAG_BASE;
	if (!ours && !cut && !is_ambiguous(variant))
		return STEAL(whole);
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s/%s", id, variant);
	char hex[DIGEST_HEX];
	struct digest d;
	sha256_of(name, strlen(name), &d);
	digest_hex(hex, &d);
	return mem_printf("%s%.*s-%.*s", ours ? "m-" : "", OCI_TAG_BASE, whole, MARK, hex);
}

char *oci_tag(const char *id, const char *variant, uint64_t version, const char *format)
{
	CLEANUP(mem_free_ptr) char *base = base_of(id, variant);
	char number[32] = "";
	if (version)
		snprintf(number, sizeof number, "-v%llu", (unsigned long long)version);
	return mem_printf("%s%s%s", base, number, format);
}

char *oci_tag_model(const char *id)
{
	return mem_printf(OCI_TAG_MODEL "%s", id);
}

char *oci_tag_old(const char *id)
{
	return mem_printf(OCI_TAG_OLD "%s", id);
}
