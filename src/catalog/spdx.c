#include "catalog/lint.h"

#include <ctype.h>
#include <string.h>

/* The identifiers of the SPDX license list that are common for models and their data. An
 * identifier that is not here is only a warning. */
/* clang-format off */
static const char *const known[] = {
	"0BSD", "AFL-3.0", "AGPL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0",
	"Artistic-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0",
	"CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0",
	"CC-BY-NC-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-3.0",
	"CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0",
	"CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "ECL-2.0", "EPL-1.0",
	"EPL-2.0", "EUPL-1.1", "EUPL-1.2", "GFDL-1.3", "GPL-2.0", "GPL-2.0-only",
	"GPL-2.0-or-later", "GPL-3.0", "GPL-3.0-only", "GPL-3.0-or-later", "ISC",
	"LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "LLaMA-2",
	"MIT", "MIT-0", "MPL-2.0", "MS-PL", "NCSA", "ODbL-1.0", "OFL-1.1", "OSL-3.0",
	"PDDL-1.0", "PostgreSQL", "Unlicense", "WTFPL", "Zlib",
};
/* clang-format on */

static bool is_known(const char *id, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i]) == len && strncasecmp(known[i], id, len) == 0)
			return true;
	return false;
}

static bool word_is(const char *word, size_t len, const char *what)
{
	return strlen(what) == len && memcmp(word, what, len) == 0;
}

static bool is_word(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)word[i]) && !strchr("-.:", word[i]) &&
		    !(word[i] == '+' && i + 1 == len))
			return false;
	return len > 0;
}

/* A license was expected, but there is this word. */
static const char *check_id(const char *word, size_t len, char unknown[64])
{
	if (!is_word(word, len) || word_is(word, len, "AND") || word_is(word, len, "OR") ||
	    word_is(word, len, "WITH"))
		return "not an SPDX license expression (\"MIT\", \"Apache-2.0 OR MIT\")";
	bool reference = strncmp(word, "LicenseRef-", 11) == 0 ||
			 strncmp(word, "DocumentRef-", 12) == 0;
	size_t plain = word[len - 1] == '+' ? len - 1 : len;
	if (!reference && !is_known(word, plain) && !*unknown && len < 64) {
		memcpy(unknown, word, len);
		unknown[len] = '\0';
	}
	return NULL;
}

const char *spdx_license_fault(const char *expression, enum lint_level *level, char unknown[64])
{
	static const char broken[] =
		"not an SPDX license expression (\"MIT\", \"Apache-2.0 OR MIT\")";
	unsigned depth = 0;
	bool want_id = true, exception = false;
	*level = LINT_ERROR;
	unknown[0] = '\0';
	for (const char *p = expression; *p;) {
		size_t len = *p == '(' || *p == ')' ? 1 : strcspn(p, " ()");
		if (*p == ' ') {
			p++;
			continue;
		}
		if (*p == '(') {
			if (!want_id || exception)
				return broken;
			depth++;
		} else if (*p == ')') {
			if (want_id || depth-- == 0)
				return broken;
		} else if (exception) {
			if (!is_word(p, len))
				return broken;
			exception = want_id = false;
		} else if (want_id) {
			const char *fault = check_id(p, len, unknown);
			if (fault)
				return fault;
			want_id = false;
		} else {
			exception = word_is(p, len, "WITH");
			if (!exception && !word_is(p, len, "AND") && !word_is(p, len, "OR"))
				return broken;
			want_id = true;
		}
		p += len;
	}
	if (want_id || depth)
		return broken;
	if (!*unknown)
		return NULL;
	*level = LINT_WARNING;
	return "not one of the common SPDX identifiers";
}
