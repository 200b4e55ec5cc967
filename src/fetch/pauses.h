/*
 * pauses: how long servers asked to be left alone (Retry-After), for later runs.
 *
 *   <state folder>/pauses/<16 hex digits of the SHA-256 of the server's scheme, host and port>
 *
 * has the end of the pause, in seconds since 1970. It is only an aid: what cannot be read or
 * written counts as no pause, and none is longer than PAUSES_MAX_S. Removing the file ends the
 * pause.
 */
#ifndef FERRY_FETCH_PAUSES_H
#define FERRY_FETCH_PAUSES_H

#include "util/base.h"

#define PAUSES_MAX_S 3600

/* The folder of this user, or NULL when there is no home folder. Caller frees. */
char *pauses_dir(void);
/* The seconds that are left for the server of this URL; 0: none. Then *path is the file; the caller
 * frees it. */
uint64_t pauses_left_s(const char *dir, const char *url, int64_t now_s, char **path);
void pauses_note(const char *dir, const char *url, int64_t now_s, uint64_t pause_s);

#endif
