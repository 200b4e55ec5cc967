/*
 * ferry health: what its files share.
 *
 * Prefixes: alerts_, checkup_, document_, sheet_, nagios_, merged_.

 * Prefixes: checkup_, document_, hot_, sheet_, nagios_, merged_.
 */
#ifndef FERRY_CLI_HEALTH_HEALTH_H
#define FERRY_CLI_HEALTH_HEALTH_H

#include "cli/frame/cli.h"
#include "health/alert.h"
#include "health/run.h"
#include "settings/repository.h"

extern const struct command cmd_health, cmd_health_silence, cmd_health_history;

struct health_opts {
	struct opt_list names, mirrors;
	bool no_audit, nagios, merge, test_alert;
	const char *prometheus;
	uint64_t watch_s;
};

/* ---- checkup.c: one look at all repositories ---- */

struct checkup {
	struct cli *cli;
	const struct health_opts *o;
	const struct conf *conf;
	struct settings_health settings;
	struct settings_alerts alerts;
	struct settings_repositories repositories;
	const struct settings_repository **chosen;
	size_t count;
	char *place; /* where this runs */
	char *state_dir, *records_dir;
	int lock;
	struct db *db;                  /* NULL: the history cannot be kept */
	struct health_history *history; /* of each chosen one */
	struct health_silences silences;
	struct health_report *reports; /* of each, of the last round */
	struct rolling_hot *hot;       /* for the audit */
	size_t hot_count;
	int64_t now_s;
	struct alert_results told;  /* in the last round */
	struct alert_memory memory; /* of the problems that were told, without the history */
};
#define CHECKUP_INIT BRACES(.lock = -1)
void checkup_release(struct checkup *c);
WARN_UNUSED int checkup_settings(struct checkup *c, struct err *e);
/* The same; takes the lock, and opens the history. */
WARN_UNUSED int checkup_open(struct checkup *c, struct err *e);
/* Looks at everything. Negative: ERR_USAGE, ERR_CANCELLED. */
WARN_UNUSED int checkup_round(struct checkup *c, struct err *e);
enum health_state checkup_state(const struct checkup *c);

/* ---- alerts.c ---- */

/* Tells what has changed in this round. A receiver that cannot be reached is only said (c->told).
 * ERR_USAGE, ERR_CANCELLED. */
WARN_UNUSED int alerts_send(struct checkup *c, struct err *e);
/* --test-alert: to the alert that the operand names, or to all. */
WARN_UNUSED int alerts_test(struct checkup *c, struct err *e);
json_t *alerts_json(const struct checkup *c);

/* ---- hot.c: what people fetch most, according to the statistics of this machine ---- */

/* None without [stats]. The caller frees *out. */
void hot_read(struct cli *cli, const struct conf *conf, int64_t now_s, struct rolling_hot **out,
	      size_t *count);

/* ---- document.c: the result as JSON ---- */

json_t *document_of(const struct checkup *c);
/* Could a check not be made for a reason that another finding names? For people, who need only
 * that one. */
bool document_is_implied(const json_t *mirror, const json_t *finding);

/* ---- sheet.c: the same for people ---- */

/* Of the document of a run, or of several that were joined. */
void sheet_print(struct cli *cli, const json_t *document);

/* ---- nagios.c ---- */

/* The line of a Nagios plug-in, and its exit code. */
void nagios_print(struct cli *cli, const json_t *document);
void nagios_failed(struct cli *cli, const struct err *e);

/* ---- merged.c: reports of several places ---- */

/* Into a document: its parts, one report after the other, and the sum. ERR_INTEGRITY for what is no
 * report, ERR_USAGE for a second one of a place; then the document is of no use. */
void merged_begin(json_t *document);
WARN_UNUSED int merged_add(json_t *document, const json_t *report, struct err *e);
void merged_end(json_t *document);
/* The same with the files in the operands. */
WARN_UNUSED int merged_document(struct cli *cli, json_t **out, struct err *e);

#endif
