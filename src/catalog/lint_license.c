#include "catalog/license.h"
#include "catalog/lint.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static void unknown_id(const char *where, const char *id, struct lint_findings *f)
{
	CLEANUP(mem_free_ptr) char *meant = license_suggest(id);
	lint_add(f, LINT_WARNING, where,
		 "license.id: '%s' is not in the SPDX license list %s%s%s%s: write LicenseRef-%s "
		 "for a license that is not there",
		 id, spdx_list_version, meant ? "; did you mean '" : "", meant ? meant : "",
		 meant ? "'?" : "", id);
}

static void deprecated_id(const char *where, const char *id, struct lint_findings *f)
{
	char instead[128];
	if (*spdx_instead(id, instead, sizeof instead))
		lint_add(f, LINT_WARNING, where,
			 "license.id: '%s' does not say whether later versions may be used, too: "
			 "write %s",
			 id, instead);
	else
		lint_add(f, LINT_WARNING, where,
			 "license.id: '%s' is deprecated in the SPDX license list", id);
}

/* "LicenseRef-MIT": readers do not find it among the licenses that they know. */
static void listed_reference(const char *where, const char *expression, struct lint_findings *f)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	str_list_split(&words, expression, " ()");
	for (size_t i = 0; i < words.count; i++) {
		if (!str_starts(words.at[i], SPDX_REFERENCE))
			continue;
		const char *name = words.at[i] + strlen(SPDX_REFERENCE);
		const struct spdx_entry *entry = spdx_find(name, strlen(name));
		if (entry && !(entry->flags & SPDX_EXCEPTION))
			lint_add(f, LINT_WARNING, where,
				 "license.id: '%s' is in the SPDX license list: write '%s'",
				 words.at[i], entry->id);
	}
}

void lint_license(const struct card *c, struct lint_findings *f)
{
	CLEANUP(spdx_release) struct spdx s = { 0 };
	struct err e = ERR_INIT;
	if (!c->license) {
		lint_add(f, LINT_WARNING, c->id,
			 "license.id: missing: readers do not know what they may do with the "
			 "model");
		return;
	}
	if (spdx_parse(c->license, NULL, &s, &e) < 0) {
		lint_add(f, LINT_ERROR, c->id, "license.id: %s", e.text);
		return;
	}
	listed_reference(c->id, s.text, f);
	if (s.unknown)
		unknown_id(c->id, s.unknown, f);
	if (s.deprecated)
		deprecated_id(c->id, s.deprecated, f);
	if (strcmp(s.text, c->license) != 0)
		lint_add(f, LINT_WARNING, c->id, "license.id: '%s' is written '%s'", c->license,
			 s.text);
	if (s.reference && !json_object_get(json_object_get(c->json, "license"), "url"))
		lint_add(f, LINT_WARNING, c->id,
			 "license.url: missing: say where readers find the text of '%s'", s.text);
}
