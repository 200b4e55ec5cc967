#include "tuf/match.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

/* One character of UTF-8; a stray byte counts as one. */
static size_t char_len(const char *s, size_t len)
{
	size_t n = 1;
	while (n < len && n < 4 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return (unsigned char)s[0] < 0x80 ? 1 : n;
}

static int char_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	/* UTF-8 sorts like its code points. */
	int d = memcmp(a, b, MIN(a_len, b_len));
	return d ? d : (a_len > b_len) - (a_len < b_len);
}

/* The length of the set that starts at p ("[…]"); 0 if it is not closed: the bracket is then an
 * ordinary character. */
static size_t set_len(const char *p, size_t len)
{
	size_t i = 1;
	if (i < len && p[i] == '!')
		i++;
	if (i < len && p[i] == ']')
		i++;
	while (i < len && p[i] != ']')
		i++;
	return i < len ? i + 1 : 0;
}

static bool set_has(const char *p, size_t len, const char *c, size_t c_len)
{
	bool negated = p[1] == '!', found = false;
	const char *end = p + len - 1;
	for (p += negated ? 2 : 1; p < end;) {
		size_t n = char_len(p, (size_t)(end - p)), m = n;
		const char *last = p;
		if (p + n + 1 < end && p[n] == '-') {
			last = p + n + 1;
			m = char_len(last, (size_t)(end - last));
		}
		found |= char_compare(c, c_len, p, n) >= 0 && char_compare(c, c_len, last, m) <= 0;
		p = last + m;
	}
	return found != negated;
}

/* Does the next element of the pattern, which is not a star, match at s? *used is its length. */
static bool match_one(const char *p, size_t p_len, const char *s, size_t s_len, size_t *used)
{
	size_t set = p[0] == '[' ? set_len(p, p_len) : 0;
	*used = set ? set : 1;
	if (set)
		return set_has(p, set, s, char_len(s, s_len));
	return p[0] == '?' || p[0] == s[0];
}

static bool match_part(const char *p, size_t p_len, const char *s, size_t s_len)
{
	size_t i = 0, j = 0, used, star_i = SIZE_MAX, star_j = 0;
	while (j < s_len) {
		if (i < p_len && p[i] == '*') {
			star_i = ++i;
			star_j = j;
		} else if (i < p_len && match_one(p + i, p_len - i, s + j, s_len - j, &used)) {
			/* A set or '?' matches a whole character, a literal one byte. */
			j += used > 1 || p[i] == '?' ? char_len(s + j, s_len - j) : 1;
			i += used;
		} else if (star_i != SIZE_MAX) {
			star_j += char_len(s + star_j, s_len - star_j);
			i = star_i;
			j = star_j;
		} else {
			return false;
		}
	}
	while (i < p_len && p[i] == '*')
		i++;
	return i == p_len;
}

bool tuf_match_pattern(const char *pattern, const char *path)
{
	for (;;) {
		size_t p = strcspn(pattern, "/"), s = strcspn(path, "/");
		if (!match_part(pattern, p, path, s) || pattern[p] != path[s])
			return false;
		if (!pattern[p])
			return true;
		pattern += p + 1;
		path += s + 1;
	}
}

bool tuf_match_delegated(const struct tuf_delegated *d, const char *path)
{
	size_t i;
	json_t *value;
	struct digest digest;
	char hex[DIGEST_HEX];
	json_array_foreach (d->paths, i, value)
		if (tuf_match_pattern(json_string_value(value), path))
			return true;
	if (!d->hash_prefixes)
		return false;
	sha256_of(path, strlen(path), &digest);
	digest_hex(hex, &digest);
	json_array_foreach (d->hash_prefixes, i, value)
		if (str_starts(hex, json_string_value(value)))
			return true;
	return false;
}

char *tuf_match_bin_name(const char *prefix, unsigned bit_length, uint32_t number)
{
	return mem_printf("%s-%0*x", prefix, (int)(bit_length + 3) / 4, number);
}

char *tuf_match_bin(const struct tuf_bins *bins, const char *path)
{
	struct digest d;
	sha256_of(path, strlen(path), &d);
	uint32_t head = (uint32_t)d.bytes[0] << 24 | (uint32_t)d.bytes[1] << 16 |
			(uint32_t)d.bytes[2] << 8 | d.bytes[3];
	return tuf_match_bin_name(bins->prefix, bins->bit_length, head >> (32 - bins->bit_length));
}

bool tuf_match_is_bin(const char *prefix, unsigned bit_length, const char *role)
{
	size_t len = strlen(prefix), digits = (bit_length + 3) / 4;
	if (bit_length == 0 || !str_starts(role, prefix) || role[len] != '-')
		return false;
	const char *number = role + len + 1;
	return strlen(number) == digits && strspn(number, "0123456789abcdef") == digits &&
	       strtoul(number, NULL, 16) >> bit_length == 0;
}
