#include "prepare/label.h"

#include "util/mem.h"
#include "util/path.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static char *upper(char *s)
{
	for (char *p = s; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return s;
}

/* "K" of "Q4_K_M" in both; mixtures called "…_XL" are made from any type. */
static bool same_family(const char *label, const char *content)
{
	const char *a = gguf_after_class(label), *b = gguf_after_class(content);
	size_t len = strcspn(b + (*b == '_'), "_") + 1;
	return str_ends(label, "XL") ||
	       (strncasecmp(a, b, len) == 0 && !isalpha((unsigned char)a[len]));
}

/* Another file type is a contradiction, "Q4_K" of a Q4_K_M says less, "FP16" of an F16 the same. */
static bool says_more(const char *label, const char *content)
{
	return *gguf_after_class(label) && gguf_same_class(label, content) &&
	       same_family(label, content) && strlen(label) >= strlen(content) &&
	       (gguf_file_type_named(label) < 0 || gguf_file_type_named(content) < 0);
}

char *label_quantization(const struct gguf *const *files, size_t count, const char *name)
{
	struct gguf_name n = { 0 };
	char *content = gguf_quantization(files, count);
	if (!content || !name || !gguf_name_parse(name, &n) || !n.encoding[0])
		return content;
	bool more = says_more(n.encoding, content);
	if (!more && (!n.flavor[0] || !str_eq_nocase(n.encoding, content)))
		return content;
	CLEANUP(mem_free_ptr) char *label = upper(mem_strdup(more ? n.encoding : content));
	free(content);
	return n.flavor[0] ? mem_printf("%s-%s", n.flavor, label) : STEAL(label);
}

char *label_variant(enum gguf_kind kind, const char *quantization)
{
	CLEANUP(mem_free_ptr) char *id =
		kind == GGUF_KIND_MODEL ? mem_strdup(quantization ? quantization : "default")
		: quantization          ? mem_printf("%s-%s", gguf_kind_name(kind), quantization)
					: mem_strdup(gguf_kind_name(kind));
	for (char *p = id; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			*p = '-';
	}
	return path_is_id(id) ? STEAL(id) : mem_strdup("default");
}
