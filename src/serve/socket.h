/*
 * Sockets to listen on: made here, or handed over by systemd (sd_listen_fds(3)), and what systemd
 * is told (sd_notify(3)). Both protocols are a few lines; libsystemd is not needed.
 *
 * Prefixes: serve_.
 */
#ifndef FERRY_SERVE_SOCKET_H
#define FERRY_SERVE_SOCKET_H

#include "settings/serve.h"

#define SERVE_SOCKETS 16

struct serve_socket {
	int fd;
	bool local;      /* a Unix socket */
	bool admin;      /* its callers may do everything */
	bool ours;       /* made here: its path is removed at the end */
	char *path;      /* of a Unix socket, or NULL */
	char *shown;     /* what a client on this machine may open: "http://127.0.0.1:8480",
			    "unix:/run/x" */
	bool everywhere; /* at every address of this machine; shown has "localhost" for them */
	bool loopback;   /* only this machine can connect to it */
};
struct serve_sockets {
	struct serve_socket at[SERVE_SOCKETS];
	size_t count;
	bool inherited; /* they are systemd's: it listens on while this process does not run */
};
/* Closes them and removes what was made. Safe twice. */
void serve_sockets_release(struct serve_sockets *s);

/*
 * Those that were handed over (LISTEN_FDS, LISTEN_PID; the variables are removed), else those of
 * the settings, and the one for administration. One that was handed over with the name "admin"
 * (FileDescriptorName=) is that. They are non-blocking and listening.
 *
 * ERR_CONFLICT when something else listens there, ERR_USAGE for a host that is not this machine's.
 */
WARN_UNUSED int serve_sockets_open(const struct settings_serve *set, struct serve_sockets *out,
				   struct err *e);

/* May callers without credentials pull? If `anonymous` does not say, only while nobody but this
 * machine can connect; the sockets may be others than those of the settings. */
bool serve_sockets_are_open(const struct settings_serve *set, const struct serve_sockets *s);

/* "READY=1", "STOPPING=1", …, several with newlines between. Does nothing unless systemd waits for
 * it ($NOTIFY_SOCKET). */
void serve_notify(const char *state);

#endif
