/* config cloudflare: what its API is given. */
#include "cli/mirror/mirror.h"
#include "front/cloudflare.h"
#include "settings/secret.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TEXT MIB

int cmd_mirror_cloudflare_print(struct cli *cli, const json_t *wanted, json_t *document,
				struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_TEXT);
	int rc = json_pretty(wanted, &text, e);
	if (rc < 0)
		return rc;
	json_put(document, "cloudflare", json_deep_copy(wanted));
	cli_raw(cli, buf_str(&text));
	return 0;
}

static const char *setting(const char *set, const char *variable)
{
	const char *value = getenv(variable);
	return set ? set : value && *value ? value : NULL;
}

static int read_token(const struct settings_front *set, char **out, struct err *e)
{
	const char *value = getenv("CLOUDFLARE_API_TOKEN");
	if (set->token_file)
		return settings_secret_read(set->token_file, out, e);
	if (value && *value) {
		*out = mem_strdup(value);
		return 0;
	}
	err_set(e, ERR_AUTH, "there is no API token for Cloudflare");
	return err_hint(e,
			"put one into CLOUDFLARE_API_TOKEN, or into a file (chmod 600) that "
			"token-file in [front] names. It needs the rights to edit the zone's "
			"WAF and Cache Rules, and for logs and workers those of Logs and Workers");
}

static void print_changes(struct cli *cli, const json_t *changes, bool dry_run)
{
	static const struct cli_column columns[] = {
		{ "WHAT", "{what}", NULL },
		{ "STATE", "{state}", NULL },
		{ "NAME", "{name}", NULL },
	};
	cli_aloud(cli, dry_run);
	cli_table(cli, changes, columns, ARRAY_LEN(columns));
	cli_aloud(cli, false);
}

/* The id of a zone becomes part of a path. */
static int check_ids(const struct front_account *a, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	if ((a->zone && a->zone[strspn(a->zone, allowed)]) ||
	    (a->account && a->account[strspn(a->account, allowed)]))
		return err_set(e, ERR_USAGE,
			       "CLOUDFLARE_ZONE_ID or CLOUDFLARE_ACCOUNT_ID: this is "
			       "no id");
	return 0;
}

static int open_client(struct cli *cli, const struct conf *c, struct http_access_list *access,
		       struct http_client **out, struct err *e)
{
	int rc = settings_access_read(c, access, e);
	const struct http_options options = { .access = access, .cancel = cli->cancel };
	return rc == 0 ? http_client_new(&options, out, e) : rc;
}

int cmd_mirror_cloudflare_apply(struct cli *cli, const struct conf *c,
				const struct settings_front *set, const json_t *wanted,
				bool dry_run, json_t *document, struct err *e)
{
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	CLEANUP_PTR(settings_secret_free) char *token = NULL;
	CLEANUP_PTR(settings_secret_free) char *destination = NULL;
	int rc = read_token(set, &token, e);
	if (rc == 0 && set->destination_file)
		rc = settings_secret_read(set->destination_file, &destination, e);
	if (rc == 0)
		rc = open_client(cli, c, &access, &client, e);
	const struct front_account account = {
		.api = set->api,
		.token = token,
		.zone = setting(set->zone, "CLOUDFLARE_ZONE_ID"),
		.account = setting(set->account, "CLOUDFLARE_ACCOUNT_ID"),
		.destination = destination,
		.client = client,
		.cancel = cli->cancel,
	};
	if (rc == 0)
		rc = check_ids(&account, e);
	if (rc < 0)
		return rc;
	json_put_bool(document, "dry_run", dry_run);
	json_t *changes = json_put_array(document, "changes");
	rc = front_cloudflare_apply(&account, wanted, dry_run, changes, e);
	print_changes(cli, changes, dry_run);
	return rc;
}
