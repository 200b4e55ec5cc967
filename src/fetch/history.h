/*
 * history: how mirrors did in earlier runs, for the order in which they are asked.
 *
 *   <state folder>/history/<16 hex digits of the SHA-256 of the mirror's URL without secrets>
 *
 * has three lines: the version of the format; when it was written, bytes per second, thousandths of
 * faults, and when wrong bytes came last (decimal numbers, times in seconds since 1970); the URL,
 * for people. It is only an aid: what cannot be read or written counts as nothing. Removing the
 * file, or all of the folder, forgets.
 *
 * Half of the faults are forgotten each day, all of a mirror that was not used for HISTORY_MAX_S,
 * and wrong bytes after HISTORY_WRONG_S.
 */
#ifndef FERRY_FETCH_HISTORY_H
#define FERRY_FETCH_HISTORY_H

#include "util/base.h"

#define HISTORY_HALF_S 86400
#define HISTORY_WRONG_S (7 * 86400)
#define HISTORY_MAX_S (30 * 86400)

struct history {
	uint64_t rate;         /* bytes per second; 0: not known */
	uint64_t faults_milli; /* thousandths of faults that are not forgotten yet */
	int64_t wrong_s;       /* when it sent wrong bytes; 0: not in the last HISTORY_WRONG_S */
};

/* What a mirror did in one run. */
struct history_run {
	uint64_t rate;   /* bytes per second; 0: not measured */
	unsigned faults; /* dropped, stalled, unreachable, wrong answers; not wrong bytes */
	bool wrong;      /* it sent wrong bytes */
};

/* The folder of this user, or NULL when there is no home folder. Caller frees. */
char *history_dir(void);
/* *out is zero when nothing is known. */
void history_read(const char *dir, const char *url, int64_t now_s, struct history *out);
/* Mixes the run into what is known. A run without faults forgets the earlier ones, but not wrong
 * bytes. */
void history_note(const char *dir, const char *url, int64_t now_s, const struct history_run *run);
/* The text of such a file, as it counts at this time. False, with zeroes, for anything else. */
bool history_parse(const char *text, int64_t now_s, struct history *out);
/* Its path, for messages. Caller frees. */
char *history_path(const char *dir, const char *url);

#endif
