/* [health]: what `ferry health` checks, and when something is a fault. */
#ifndef FERRY_SETTINGS_HEALTH_H
#define FERRY_SETTINGS_HEALTH_H

#include "settings/conf.h"

/* How a check that depends on whose mirror it is is set. */
enum settings_health_choice {
	SETTINGS_HEALTH_AUTO, /* not set: only what this ferry.conf can write to */
	SETTINGS_HEALTH_NO,
	SETTINGS_HEALTH_YES,
};

struct settings_health {
	char *place;         /* where it runs, for reports that are merged; NULL: the host's name */
	uint64_t deadline_s; /* of all checks of a mirror but the audit */
	uint64_t objects;    /* that are looked up on a mirror in one run */
	uint64_t keep_s;     /* how long the history is kept */
	bool cors;
	enum settings_health_choice cache_control;

	uint64_t audit;            /* bytes that are read of a mirror in a day; 0: none */
	uint64_t audit_deadline_s; /* of the audit of a mirror in one run */
	uint64_t coverage_window_s;
	uint64_t coverage_warning; /* percent, below; 0: never */

	uint64_t certificate_warning_s, certificate_critical_s; /* left */
	uint64_t clock_skew_s;
	uint64_t lag_s;          /* a signed release that no mirror shows is no fault of theirs */
	uint64_t lag_critical_s; /* a mirror that has not shown the newest release for so long */
	uint64_t quota_warning;  /* percent of GitHub's limit that are left */
	/* Left of roles that people sign; 0: the defaults of probe.h. */
	uint64_t expiry_warning_s, expiry_critical_s;

	/* Runs in a row that a fault must last before it counts. */
	unsigned after_warning, after_critical, after_unknown;
};
void settings_health_release(struct settings_health *h);

WARN_UNUSED int settings_health_read(const struct conf *c, struct settings_health *out,
				     struct err *e);

#endif
