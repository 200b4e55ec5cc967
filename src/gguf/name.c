/* File names, as https://github.com/ggml-org/ggml/blob/master/docs/gguf.md proposes them. */
#include "gguf/gguf.h"

#include "util/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX ".gguf"
#define SHARD_LEN 15 /* "-00001-of-00003" */

static bool all_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return len > 0;
}

/* "7B", "1.5B", "8x7B", "270M", "16x3.8B": numbers, then a letter for the scale. */
static bool is_size(const char *s)
{
	size_t n = strspn(s, "0123456789");
	if (n && s[n] == 'x') {
		s += n + 1;
		n = strspn(s, "0123456789");
	}
	if (n && s[n] == '.') {
		size_t fraction = strspn(s + n + 1, "0123456789");
		if (!fraction)
			return false;
		n += 1 + fraction;
	}
	return n && s[n] && strchr("KMBTQkmbtq", s[n]) && !s[n + 1];
}

static bool is_version(const char *s)
{
	if (*s != 'v' && *s != 'V')
		return false;
	s++;
	for (;;) {
		size_t n = strspn(s, "0123456789");
		if (!n)
			return false;
		s += n;
		if (!*s)
			return true;
		if (*s++ != '.')
			return false;
	}
}

/* "Q4", "IQ2", "TQ1" */
static size_t bits_length(const char *s)
{
	size_t n = strchr("iItT", s[0]) && s[0] ? 1 : 0;
	return (s[n] == 'Q' || s[n] == 'q') && isdigit((unsigned char)s[n + 1]) ? n + 2 : 0;
}

static bool is_any(const char *s, size_t len, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == len && strncasecmp(list[i], s, len) == 0)
			return true;
	return false;
}

/* A quantization, including forms that are common in names but are not file types: "Q4_K_XL",
 * "IQ4_KS_R4". */
static bool is_encoding(const char *s)
{
	static const char *const others[] = { "FP16", "FP32", "MXFP4", "MXFP8", "I2_S" };
	static const char *const parts[] = { "0",  "1",  "K",  "KS", "KSS", "KL", "KT",
					     "KV", "NL", "BN", "S",  "M",   "L",  "XXS",
					     "XS", "XL", "R4", "R8", "4",   "8",  "XXL" };
	size_t n = bits_length(s);
	if (gguf_file_type_named(s) >= 0 || is_any(s, strlen(s), others, ARRAY_LEN(others)))
		return true;
	while (n && s[n] == '_') {
		size_t len = strcspn(s + n + 1, "_");
		if (!is_any(s + n + 1, len, parts, ARRAY_LEN(parts)))
			return false;
		n += 1 + len;
	}
	return n > 2 && !s[n] && strchr(s, '_');
}

/* How it was quantized: Unsloth's mixtures, an importance matrix. */
static bool is_flavor(const char *s)
{
	static const char *const flavors[] = { "UD", "i1", "imat", "imatrix" };
	return is_any(s, strlen(s), flavors, ARRAY_LEN(flavors));
}

static void put(char *out, size_t size, const char *s)
{
	size_t len = strlen(out);
	snprintf(out + len, size - len, "%s%s", len ? "-" : "", s);
}

/* Cuts "-00001-of-00003" off the end of stem. */
static void take_shard(char *stem, struct gguf_name *out)
{
	size_t len = strlen(stem);
	if (len < SHARD_LEN)
		return;
	const char *s = stem + len - SHARD_LEN;
	if (s[0] != '-' || !all_digits(s + 1, 5) || strncmp(s + 6, "-of-", 4) != 0 ||
	    !all_digits(s + 10, 5))
		return;
	sscanf(s, "-%5u-of-%5u", &out->shard, &out->shards);
	stem[len - SHARD_LEN] = '\0';
}

/* Cuts off the last part if `is` accepts it. Parts are joined by '-', in some names by '.' before
 * the encoding ("model.Q4_K_M.gguf"). */
static bool take_last(char *stem, bool (*is)(const char *), const char *separators, char *out,
		      size_t size)
{
	for (char *p = stem + strlen(stem); p > stem; p--) {
		if (!strchr(separators, *p) || !*p)
			continue;
		if (!is(p + 1))
			return false;
		snprintf(out, size, "%s", p + 1);
		*p = '\0';
		return true;
	}
	return false;
}

/* The encoding is the last part, or the whole name; in some names '_' or a blank comes before it.
 */
static bool take_encoding(char *stem, struct gguf_name *out)
{
	char *at = is_encoding(stem) ? stem : NULL;
	if (!at && take_last(stem, is_encoding, "-.", out->encoding, sizeof out->encoding))
		return true;
	for (char *p = stem; !at && *p; p++)
		if (strchr("_ ", *p) && is_encoding(p + 1))
			at = p;
	if (!at)
		return false;
	snprintf(out->encoding, sizeof out->encoding, "%s", at == stem ? at : at + 1);
	*at = '\0';
	return true;
}

/* "UD-Q4_K_XL", and with the flavor at the end, "Q4_K_M-imat". */
static void take_quantization(char *stem, struct gguf_name *out)
{
	CLEANUP(mem_free_ptr) char *before = mem_strdup(stem);
	if (take_last(stem, is_flavor, "-.", out->flavor, sizeof out->flavor)) {
		if (take_encoding(stem, out))
			return;
		memcpy(stem, before, strlen(before) + 1);
		out->flavor[0] = '\0';
	}
	if (take_encoding(stem, out))
		take_last(stem, is_flavor, "-.", out->flavor, sizeof out->flavor);
}

static bool is_kind(const char *s)
{
	return strcmp(s, "LoRA") == 0 || strcmp(s, "vocab") == 0;
}

static void take_base(char *stem, struct gguf_name *out)
{
	bool after_size = false;
	char *save = NULL;
	for (char *part = strtok_r(stem, "-", &save); part; part = strtok_r(NULL, "-", &save)) {
		if (!after_size && out->base[0] && is_size(part)) {
			after_size = true;
			snprintf(out->size, sizeof out->size, "%s", part);
		} else if (after_size) {
			put(out->fine_tune, sizeof out->fine_tune, part);
		} else {
			put(out->base, sizeof out->base, part);
		}
	}
}

bool gguf_name_parse(const char *name, struct gguf_name *out)
{
	size_t len = strlen(name);
	struct gguf_name n = { 0 };
	if (len <= strlen(SUFFIX) || !str_eq_nocase(name + len - strlen(SUFFIX), SUFFIX))
		return false;
	CLEANUP(mem_free_ptr) char *copy = mem_strndup(name, len - strlen(SUFFIX));
	char *stem = copy;
	take_shard(stem, &n);
	for (size_t i = 0; i < 2; i++) {
		static const char *const prefixes[] = { "mmproj-", "mtp-" };
		if (str_starts(stem, prefixes[i])) {
			snprintf(n.prefix, sizeof n.prefix, "%.*s", (int)strlen(prefixes[i]) - 1,
				 prefixes[i]);
			stem += strlen(prefixes[i]);
		}
	}
	take_last(stem, is_kind, "-", n.kind, sizeof n.kind);
	take_quantization(stem, &n);
	take_last(stem, is_version, "-", n.version, sizeof n.version);
	take_base(stem, &n);
	n.conforms = n.base[0] && n.size[0] && n.version[0] && (n.encoding[0] || n.kind[0]);
	*out = n;
	return true;
}

const char *gguf_after_class(const char *label)
{
	while (isalpha((unsigned char)*label))
		label++;
	return label + strspn(label, "0123456789");
}

/* "FP16" is F16. */
static const char *skip_p(const char *s, char *first)
{
	*first = (char)toupper((unsigned char)*s);
	return strncasecmp(s, "FP", 2) == 0 ? s + 2 : *s ? s + 1 : s;
}

bool gguf_same_class(const char *a, const char *b)
{
	char x, y;
	a = skip_p(a, &x);
	b = skip_p(b, &y);
	size_t len = (size_t)(gguf_after_class(a) - a);
	return x == y && len == (size_t)(gguf_after_class(b) - b) && strncasecmp(a, b, len) == 0;
}

bool gguf_contradicts(const char *label, const char *quantization)
{
	int a = gguf_file_type_named(label), b = gguf_file_type_named(quantization);
	return a >= 0 && b >= 0 ? a != b : !gguf_same_class(label, quantization);
}
