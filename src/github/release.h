/*
 * Releases and their assets, as the API describes them: foreign documents, of which only this is
 * taken.
 *
 * https://docs.github.com/rest/releases/releases, https://docs.github.com/rest/releases/assets
 */
#ifndef FERRY_GITHUB_RELEASE_H
#define FERRY_GITHUB_RELEASE_H

#include "hash/sha256.h"
#include "json/json.h"

#define GITHUB_MAX_TEXT (8 * KIB) /* of a name, a label or a URL */

struct github_asset {
	uint64_t id;
	char *name;
	char *label; /* or NULL */
	uint64_t size;
	bool uploaded;   /* false: what a failed upload left ("starter") */
	bool has_sha256; /* assets of before June 2025 have none */
	struct digest sha256;
	uint64_t downloads;           /* as GitHub counts them */
	int64_t created_s, updated_s; /* 0: not known */
};
void github_asset_release(struct github_asset *a);
/* ERR_INTEGRITY: it is none. The caller releases it. */
WARN_UNUSED int github_asset_parse(const json_t *o, struct github_asset *out, struct err *e);

struct github_release {
	uint64_t id;
	char *tag;
	bool draft, immutable;
	char *upload_url; /* without "{?name,label}" */
	char *notes;      /* or NULL */
	int64_t created_s;
};
void github_release_release(struct github_release *r);
WARN_UNUSED int github_release_parse(const json_t *o, struct github_release *out, struct err *e);

#endif
