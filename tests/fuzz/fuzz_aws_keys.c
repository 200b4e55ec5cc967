/* JSON with keys, as processes, containers and instances give it, and its times. */
#include "s3/credentials_internal.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is read as a time is read as the same time in our own form. */
static void check_time(const char *text)
{
	int64_t s = 0, again = 0;
	char own[TIME_TEXT];
	if (!credentials_time(text, &s) || s < 0)
		return;
	format_time(own, s);
	if (!credentials_time(own, &again) || again != s)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf text = BUF_INIT(64 * KIB);
	struct s3_keys keys = { 0 };
	struct err e = ERR_INIT;
	json_t *json = NULL;
	buf_add(&text, data, len);
	int rc = credentials_json(&text, "the answer", &json, &e);
	if (rc == 0) {
		const char *expires = json_text(json, "Expiration");
		check_time(expires ? expires : "");
		rc = credentials_from_json(json, "Token", "the answer", &keys, &e);
	}
	if (rc == 0 && (!*keys.id || !*keys.secret))
		abort();
	if (rc < 0 && e.class != ERR_AUTH)
		abort();
	s3_keys_release(&keys);
	credentials_json_wipe(&json);
	buf_wipe(&text);
	return 0;
}
