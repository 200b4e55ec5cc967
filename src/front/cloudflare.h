/*
 * Cloudflare in front of a mirror: rules of a zone, a Logpush job and a worker, as its API takes
 * them, and how they get there. Only rules, jobs and workers whose names begin with front_name() of
 * the mirror are read, changed or removed; those of others stay as they are.
 *
 * https://developers.cloudflare.com/waf/rate-limiting-rules/create-api/
 * https://developers.cloudflare.com/cache/how-to/cache-rules/create-api/
 * https://developers.cloudflare.com/logs/logpush/logpush-job/custom-fields/
 * https://developers.cloudflare.com/logs/logpush/logpush-job/api-configuration/
 * https://developers.cloudflare.com/analytics/analytics-engine/get-started/
 */
#ifndef FERRY_FRONT_CLOUDFLARE_H
#define FERRY_FRONT_CLOUDFLARE_H

#include "front/front.h"
#include "http/http.h"
#include "json/json.h"

/*
 * {"phases": [{"phase": …, "rules": […]}],
 *  "logpush": a job without its destination, which is a secret; only with a destination_file,
 *  "worker": {"name", "script", "metadata", "route"}; only with `analytics`}
 *
 * The caller owns *out.
 */
WARN_UNUSED int front_cloudflare(const struct front *f, json_t **out, struct err *e);

/* The script of the worker; its binding is named DOWNLOADS. */
extern const char front_worker[];

struct front_account {
	const char *api;   /* base URL */
	const char *token; /* is sent to it, but never over http to another machine */
	const char *zone, *account;
	const char *destination; /* of the Logpush job; or NULL */
	struct http_client *client;
	const struct cancel *cancel;
};

/*
 * Reads what is there and sends what differs; with dry_run it only reads. Appends to `changes`
 * {"what": "rule" | "logpush job" | "worker" | "route", "name": …, "state": "same" | "added" |
 * "changed" | "removed"}, also for what was done before an error.
 */
WARN_UNUSED int front_cloudflare_apply(const struct front_account *a, const json_t *wanted,
				       bool dry_run, json_t *changes, struct err *e);

#endif
