/*
 * [alert.NAME]: who is told when the health of a mirror changes.
 *
 * The URL of a webhook is a secret, because whoever knows it can post there. It is in a file that
 * nobody else may read, or in the environment; no message and no error text contains it.
 */
#ifndef FERRY_SETTINGS_ALERT_H
#define FERRY_SETTINGS_ALERT_H

#include "settings/conf.h"

enum settings_alert_kind {
	SETTINGS_ALERT_COMMAND,
	SETTINGS_ALERT_WEBHOOK,
	SETTINGS_ALERT_SLACK,
	SETTINGS_ALERT_ALERTMANAGER,
	SETTINGS_ALERT_KINDS
};
const char *settings_alert_kind_name(enum settings_alert_kind kind); /* "command", … */

/* The least grave state that is told. */
enum settings_alert_on {
	SETTINGS_ALERT_ON_UNKNOWN, /* also what could not be checked */
	SETTINGS_ALERT_ON_WARNING,
	SETTINGS_ALERT_ON_CRITICAL
};

struct settings_alert {
	char *name;
	enum settings_alert_kind kind;
	enum settings_alert_on on;
	struct str_list words; /* of a command: the program, a path if it has '/', and arguments */
	char *url;             /* of the other kinds; NULL if `fault` is set */
	struct str_list mirrors; /* only these; empty: all, and the repository itself */
	char *repository;        /* only this one; NULL: all */
	uint64_t repeat_s;       /* reminders while a problem lasts; 0: none */
	uint64_t timeout_s;      /* for one notification with all its attempts */
	/* Alertmanager: how long a problem that no run confirms stays active there; 0: not set. */
	uint64_t resolve_after_s;
	/* Of the file or variable with the URL: what sending fails with. The other alerts work. */
	struct err fault;
};
struct settings_alerts {
	struct settings_alert *at; /* in the order of the file */
	size_t count, cap;
};
void settings_alerts_release(struct settings_alerts *a); /* wipes the URLs */

/* ERR_USAGE for a section that cannot be used. This reads the files and variables with URLs; one
 * that is missing is the fault of its alert alone. */
WARN_UNUSED int settings_alerts_read(const struct conf *c, struct settings_alerts *out,
				     struct err *e);

#endif
