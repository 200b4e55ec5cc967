/*
 * ferry doctor: whether everything is as it should be, check by check, and what to do if not.
 *
 * What always holds here:
 *  - nothing is changed: not the tree, the mirrors, the store or the history. What a check has to
 *    write goes to a scratch folder that is removed. Only --test-alerts sends something;
 *  - a check uses the engine of the command whose matter it is (verify, health, fetch, …);
 *  - all checks run at the same time and end at one deadline: a check that has not ended by then
 *    has failed;
 *  - a check whose subject is not used here, or that only an option turns on, is skipped, and says
 *    what to do about it. It is never passed.
 *
 * Prefixes: doctor_, facts_, readers_.
 */
#ifndef FERRY_CLI_DOCTOR_DOCTOR_H
#define FERRY_CLI_DOCTOR_DOCTOR_H

#include "cli/publisher.h"
#include "cli/session.h"
#include "health/run.h"
#include "publish/verify.h"
#include "repository/writer/writer.h"
#include "util/threads.h"

#include <pthread.h>

extern const struct command cmd_doctor;

struct doctor_opts {
	struct opt_list names; /* of repositories */
	bool drill, test_alerts;
	uint64_t rate_limits; /* requests to each mirror; 0: none */
	uint64_t deadline_s;
	struct opt_list metrics;
};

enum doctor_verdict { DOCTOR_PASS, DOCTOR_FAIL, DOCTOR_SKIP, DOCTOR_VERDICTS };

/* What a check says. */
struct doctor_result {
	enum doctor_verdict verdict;
	char *text;              /* one sentence, without a full stop */
	struct str_list details; /* further lines: of each mirror, of each fault */
	struct str_list next;    /* commands to copy */
	char *hint;              /* what to do where no command does it; or NULL */
};
void doctor_result_release(struct doctor_result *r);
/* Set verdict and text; a later call replaces both. */
void doctor_pass(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void doctor_fail(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void doctor_skip(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void doctor_detail(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "ID: " and what failed, without the "mirror ID: " that errors of mirrors begin with. */
void doctor_detail_error(struct doctor_result *r, const char *id, const struct err *why);
/* A command; words from outside are quoted by the caller. The same one is added once. */
void doctor_next(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void doctor_hint(struct doctor_result *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What is found out once, by the check that needs it first, while others that need it wait. */
struct doctor_fact {
	pthread_mutex_t lock;
	bool known;
	struct err why; /* why there is none */
};

/* A place that readers ask: a mirror of the catalog, or one that only has metadata. */
struct doctor_place {
	char *id;
	char *url;                          /* without secrets */
	const char *from;                   /* the URL itself; borrowed */
	const struct catalog_mirror *entry; /* borrowed; NULL: only metadata is read from it */
	struct mirror *mirror;              /* NULL: it could not be opened: */
	struct err error;
	struct deadline deadline; /* its token ends the mirror's calls */
	struct probe probe;       /* of readers_probes() */
};

/* What checks are about: one section [repository.NAME], and what is known of it. */
struct doctor_subject {
	struct doctor *doctor;
	const struct settings_repository *settings; /* borrowed */

	/* Of one that is published here. */
	struct doctor_fact tree_fact, roles_fact, verify_fact, health_fact;
	struct tree tree;   /* nobody changes it: several checks read it at once */
	struct tree pushed; /* the same, with what the mirrors hold in other shapes */
	struct writer_statuses roles;
	struct publisher publisher;
	struct verify_mirror *mirrors; /* those that are not stages */
	size_t mirror_count;
	size_t primary; /* of `mirrors`: what readers ask first */
	struct health_history history;
	struct health_report health;

	/* The places that readers of it ask. */
	struct doctor_fact places_fact, probes_fact;
	struct catalog catalog; /* of the tree */
	struct doctor_place *places;
	size_t place_count;
};

struct doctor {
	struct cli *cli;
	struct cli quiet; /* for engines: it ends at the deadline, and says nothing */
	const struct doctor_opts *o;
	const struct conf *conf;
	uint64_t deadline_s;
	struct deadline deadline;
	char *scratch; /* a folder */
	int64_t now_s;
	struct settings_repositories repositories;
	struct settings_fetch fetch;
	struct http_access_list access;
	struct doctor_subject *subjects;
	size_t count;
	struct doctor_fact client_fact;
	struct client client; /* the store, and what was verified last */
};

/* ---- checks.c: the table ---- */

enum doctor_for {
	DOCTOR_FOR_ALL,       /* once */
	DOCTOR_FOR_PUBLISHER, /* for each repository that is published here */
	DOCTOR_FOR_OPERATOR,  /* once, where one is */
	DOCTOR_FOR_CLIENT,    /* for each repository that is fetched here */
	DOCTOR_FOR_USER,      /* once, where one is */
};

struct doctor_check {
	const char *name;
	enum doctor_for whom;
	/* An error becomes a failed verdict; ERR_CANCELLED at the deadline does, too. subject is
	 * NULL for what is checked once. */
	int (*run)(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		   struct err *e);
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_check_count;

/* ---- facts.c ---- */

/* Each returns 0, or the error of the one who asked first. */
bool facts_was_signed(const struct doctor_subject *s);
WARN_UNUSED int facts_tree(struct doctor_subject *s, struct err *e);
WARN_UNUSED int facts_roles(struct doctor_subject *s, struct err *e);
WARN_UNUSED int facts_verify(struct doctor_subject *s, struct err *e); /* every mirror, quick */
WARN_UNUSED int facts_health(struct doctor_subject *s, struct err *e); /* as readers see them */
WARN_UNUSED int facts_client(struct doctor *d, struct err *e);
typedef int facts_find_fn(struct doctor_subject *s, struct err *e);
WARN_UNUSED int facts_once(struct doctor_fact *f, struct doctor_subject *s, facts_find_fn *find,
			   struct err *e);
void facts_init(struct doctor_subject *s);
void facts_release(struct doctor_subject *s);

/* ---- readers.c ---- */

WARN_UNUSED int readers_places(struct doctor_subject *s, struct err *e);
WARN_UNUSED int readers_probes(struct doctor_subject *s, struct err *e);
void readers_release(struct doctor_subject *s);

/* ---- the checks ---- */

typedef int doctor_run(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e);
/* check_settings.c */
doctor_run doctor_check_settings;
/* check_cost.c */
doctor_run doctor_check_cost;
/* check_tree.c */
doctor_run doctor_check_catalog, doctor_check_expiry, doctor_check_keys, doctor_check_spare;
/* check_mirrors.c */
doctor_run doctor_check_primary, doctor_check_mirrors, doctor_check_servers;
/* check_operation.c */
doctor_run doctor_check_digests, doctor_check_watch, doctor_check_backup, doctor_check_logs,
	doctor_check_alerts, doctor_check_metrics;
/* check_readers.c */
doctor_run doctor_check_speed, doctor_check_limits;
/* drill.c */
doctor_run doctor_check_fallbacks;
/* check_client.c */
doctor_run doctor_check_owners, doctor_check_trust, doctor_check_disk, doctor_check_store,
	doctor_check_proxies, doctor_check_clock, doctor_check_endpoints;

#endif
