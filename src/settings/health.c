#include "settings/health.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DAY 86400

static const struct settings_health defaults = {
	.deadline_s = 20,
	.objects = 100,
	.keep_s = 90 * DAY,
	.audit = 256 * MIB,
	.audit_deadline_s = 60,
	.coverage_window_s = 30 * DAY,
	.certificate_warning_s = 14 * DAY,
	.certificate_critical_s = 3 * DAY,
	.clock_skew_s = 60,
	.lag_s = DAY,
	.lag_critical_s = 3600,
	.quota_warning = 10,
	.after_warning = 1,
	.after_critical = 1,
	.after_unknown = 1,
};

static const char *const known_keys[] = {
	"place",
	"deadline",
	"objects",
	"keep",
	"cors",
	"cache-control",
	"audit",
	"audit-deadline",
	"coverage-window",
	"coverage-warning",

	"certificate-warning",
	"certificate-critical",
	"clock-skew",
	"lag",
	"lag-critical",
	"quota-warning",
	"expiry-warning",
	"expiry-critical",
	"after",
	"after-warning",
	"after-critical",
	"after-unknown",
	NULL,
};

void settings_health_release(struct settings_health *h)
{
	free(h->place);
	*h = (struct settings_health){ 0 };
}

/* ---- values ---- */

struct reading {
	const struct conf *c;
	const struct conf_section *s;
	struct err *e;
};

static int read_durations(const struct reading *r, struct settings_health *h)
{
	const struct {
		const char *key;
		uint64_t *out, least;
	} all[] = {
		{ "deadline", &h->deadline_s, 1 },
		{ "keep", &h->keep_s, DAY },
		{ "audit-deadline", &h->audit_deadline_s, 1 },
		{ "coverage-window", &h->coverage_window_s, DAY },
		{ "certificate-warning", &h->certificate_warning_s, 0 },
		{ "certificate-critical", &h->certificate_critical_s, 0 },
		{ "clock-skew", &h->clock_skew_s, 1 },
		{ "lag", &h->lag_s, 0 },
		{ "lag-critical", &h->lag_critical_s, 0 },
		{ "expiry-warning", &h->expiry_warning_s, 0 },
		{ "expiry-critical", &h->expiry_critical_s, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int rc = conf_get_duration(r->c, r->s, all[i].key, all[i].out, r->e);
		if (rc == 0 && *all[i].out < all[i].least)
			rc = conf_err(r->c, r->s, all[i].key, r->e, "%s: must be at least %s",
				      all[i].key, all[i].least == DAY ? "1d" : "1s");
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* "90%", or "90". */
static int read_percent(const struct reading *r, const char *key, uint64_t *out)
{
	const char *value = conf_get(r->s, key);
	if (!value)
		return 0;
	size_t len = strlen(value);
	CLEANUP(mem_free_ptr)
	char *digits = mem_strndup(value, len && value[len - 1] == '%' ? len - 1 : len);
	if (parse_u64(digits, out) && *out <= 100)
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(value);
	return conf_err(r->c, r->s, key, r->e, "%s: '%s' is not a percentage such as 90%%", key,
			shown);
}

static int read_runs(const struct reading *r, const char *key, unsigned *out)
{
	uint64_t runs = *out;
	int rc = conf_get_u64(r->c, r->s, key, &runs, r->e);
	if (rc == 0 && (runs < 1 || runs > 1000))
		rc = conf_err(r->c, r->s, key, r->e, "%s: must be 1 to 1000 runs", key);
	*out = (unsigned)runs;
	return rc;
}

/* `after` is the default of the three others. */
static int read_all_runs(const struct reading *r, struct settings_health *h)
{
	int rc = read_runs(r, "after", &h->after_warning);
	h->after_critical = h->after_unknown = h->after_warning;
	if (rc == 0)
		rc = read_runs(r, "after-warning", &h->after_warning);
	if (rc == 0)
		rc = read_runs(r, "after-critical", &h->after_critical);
	return rc < 0 ? rc : read_runs(r, "after-unknown", &h->after_unknown);
}

static int read_choice(const struct reading *r, enum settings_health_choice *out)
{
	bool yes = false;
	int rc = conf_get_bool(r->c, r->s, "cache-control", &yes, r->e);
	if (rc == 0 && conf_get(r->s, "cache-control"))
		*out = yes ? SETTINGS_HEALTH_YES : SETTINGS_HEALTH_NO;
	return rc;
}

static int read_others(const struct reading *r, struct settings_health *h)
{
	int rc = conf_get_u64(r->c, r->s, "objects", &h->objects, r->e);
	if (rc == 0)
		rc = conf_get_bool(r->c, r->s, "cors", &h->cors, r->e);
	if (rc == 0)
		rc = read_choice(r, &h->cache_control);
	if (rc == 0)
		rc = conf_get_size(r->c, r->s, "audit", &h->audit, r->e);
	if (rc == 0 && h->audit && h->audit < MIB)
		rc = conf_err(r->c, r->s, "audit", r->e, "audit: must be 0, or at least 1MiB");
	if (rc == 0)
		rc = read_percent(r, "coverage-warning", &h->coverage_warning);
	if (rc == 0)
		rc = read_percent(r, "quota-warning", &h->quota_warning);
	return rc < 0 ? rc : read_all_runs(r, h);
}

static int read_place(const struct reading *r, struct settings_health *h)
{
	const char *place = conf_get(r->s, "place");
	if (!place)
		return 0;
	if (!path_is_id(place))
		return conf_err(r->c, r->s, "place", r->e,
				"place: at most 64 characters from a-z, 0-9, '.', '_' and '-'");
	h->place = mem_strdup(place);
	return 0;
}

int settings_health_read(const struct conf *c, struct settings_health *out, struct err *e)
{
	const struct reading r = { c, conf_find(c, "health", ""), e };
	CLEANUP(settings_health_release) struct settings_health h = defaults;
	int rc = conf_check_keys(c, r.s, known_keys, e);
	if (rc == 0)
		rc = read_durations(&r, &h);
	if (rc == 0)
		rc = read_others(&r, &h);
	if (rc == 0)
		rc = read_place(&r, &h);
	if (rc < 0)
		return rc;
	*out = h;
	h = (struct settings_health){ 0 };
	return 0;
}
