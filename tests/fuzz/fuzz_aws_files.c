/* ~/.aws/config and ~/.aws/credentials: one text is read as both. */
#include "s3/credentials_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void ask(const struct credentials_files *f, const char *profile)
{
	struct s3_keys keys = { 0 };
	struct err e = ERR_INIT;
	const char *region = credentials_files_get(f, profile, "region");
	for (int in_config = 0; in_config < 2; in_config++) {
		if (credentials_files_keys(f, profile, in_config, &keys, &e) == 0 && keys.id &&
		    (!*keys.id || !*keys.secret || !credentials_files_have(f, profile)))
			abort();
		s3_keys_release(&keys);
	}
	if (region && (!*region || !credentials_files_have(f, profile)))
		abort();
	(void)credentials_files_sso(f, profile, "sso_region");
}

static void split(const struct credentials_files *f)
{
	const char *command = credentials_files_get(f, "default", "credential_process");
	struct str_list words = { 0 };
	struct err e = ERR_INIT;
	if (command && credentials_process_split(command, &words, &e) == 0 && !words.count)
		abort();
	str_list_release(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char path[] = "file";
	struct credentials_files f = { .config_path = path, .credentials_path = path };
	struct err e = ERR_INIT;
	int rc = conf_parse_plain((const char *)data, len, "config", &f.config, &e);
	if (rc == 0)
		rc = conf_parse_plain((const char *)data, len, "credentials", &f.credentials, &e);
	if (rc == 0) {
		ask(&f, "default");
		ask(&f, "a b");
		split(&f);
	}
	conf_wipe(&f.config);
	conf_wipe(&f.credentials);
	return 0;
}
