#include "tuf/claim.h"

#include "json/json.h"
#include "util/text.h"

#define MAX_BYTES (64 * MIB)

static int parse_version(const void *data, size_t len, const char *what, json_t **json,
			 json_t **body, uint64_t *version, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = MAX_BYTES };
	int rc = json_parse(data, len, &limits, what, json, e);
	if (rc == 0)
		rc = json_get_object(*json, "", "signed", body, e);
	return rc < 0 ? rc : json_get_u64(*body, "signed", "version", version, e);
}

int tuf_claim_parse(const void *data, size_t len, const char *what, struct tuf_claim *out,
		    struct err *e)
{
	CLEANUP(json_release) json_t *json = NULL;
	json_t *body;
	const char *expires;
	struct tuf_claim claim;
	int rc = parse_version(data, len, what, &json, &body, &claim.version, e);
	if (rc == 0)
		rc = json_get_string(body, "signed", "expires", &expires, e);
	if (rc < 0)
		return err_context(e, "%s", what);
	if (!parse_time(expires, &claim.expires_s))
		return err_set(e, ERR_INTEGRITY, "%s: signed.expires is not a time", what);
	*out = claim;
	return 0;
}

uint64_t tuf_claim_version(const void *data, size_t len)
{
	CLEANUP(json_release) json_t *json = NULL;
	json_t *body;
	struct err ignored = ERR_INIT;
	uint64_t version;
	return parse_version(data, len, "", &json, &body, &version, &ignored) < 0 ? 0 : version;
}
