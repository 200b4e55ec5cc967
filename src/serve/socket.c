#include "serve/socket.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_INHERITED 3 /* SD_LISTEN_FDS_START */
#define BACKLOG 1024

void serve_sockets_release(struct serve_sockets *s)
{
	for (size_t i = 0; i < s->count; i++) {
		file_close(&s->at[i].fd);
		if (s->at[i].ours && s->at[i].path)
			unlink(s->at[i].path);
		free(s->at[i].path);
		free(s->at[i].shown);
	}
	*s = (struct serve_sockets){ 0 };
}

/* ---- what a socket is ---- */

static bool prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool is_everywhere(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(
			&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == INADDR_ANY;
}

static void describe_inet(const struct sockaddr *address, socklen_t len, struct serve_socket *s)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	if (getnameinfo(address, len, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	bool six = strchr(host, ':') != NULL;
	s->everywhere = is_everywhere(address);
	if (s->everywhere)
		s->shown = mem_printf("http://localhost:%s", port);
	else
		s->shown = mem_printf("http://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "",
				      port);
	s->loopback = strcmp(host, "::1") == 0 || str_starts(host, "127.");
}

static void describe(struct serve_socket *s)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof address;
	if (getsockname(s->fd, (struct sockaddr *)&address, &len) < 0)
		return;
	s->local = address.ss_family == AF_UNIX;
	if (!s->local) {
		describe_inet((struct sockaddr *)&address, len, s);
		return;
	}
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address;
	s->loopback = true;
	if (len > sizeof un->sun_family && un->sun_path[0])
		s->path = mem_strndup(un->sun_path, strnlen(un->sun_path, sizeof un->sun_path));
	s->shown = mem_printf("unix:%s", s->path ? s->path : "");
}

static int add(struct serve_sockets *all, int fd, bool admin, bool ours, struct err *e)
{
	if (all->count == SERVE_SOCKETS) {
		file_close(&fd);
		return err_set(e, ERR_USAGE, "at most %d sockets can be listened on",
			       SERVE_SOCKETS);
	}
	struct serve_socket *s = &all->at[all->count++];
	*s = (struct serve_socket){ .fd = fd, .admin = admin, .ours = ours };
	if (!prepare(fd))
		return err_sys(e, errno, "socket %d", fd);
	describe(s);
	return 0;
}

/* ---- those of systemd ---- */

static bool take_number(const char *name, uint64_t *out)
{
	const char *value = getenv(name);
	return value && parse_u64(value, out);
}

static int take_inherited(struct serve_sockets *all, struct err *e)
{
	uint64_t pid, count;
	const char *names = getenv("LISTEN_FDNAMES");
	CLEANUP(str_list_release) struct str_list named = { 0 };
	bool mine = take_number("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
		    take_number("LISTEN_FDS", &count) && count > 0;
	if (mine && names)
		str_list_split(&named, names, ":");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	int rc = 0;
	for (uint64_t i = 0; mine && i < count && rc == 0; i++) {
		bool admin = i < named.count && strcmp(named.at[i], "admin") == 0;
		rc = add(all, FIRST_INHERITED + (int)i, admin, false, e);
	}
	all->inherited = mine;
	return rc;
}

/* ---- our own ---- */

/* Left behind by a process that was killed: nobody listens on it. */
static bool is_abandoned(const struct sockaddr_un *address)
{
	CLEANUP(file_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
	       errno == ECONNREFUSED;
}

/* The umask is the process's, and other threads run: the folder of the one for administration is
 * made for its user alone. */
static int open_local(struct serve_sockets *all, const char *path, bool admin, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path)
		return err_set(e, ERR_USAGE, "%s: the path of a Unix socket has at most %zu bytes",
			       path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	int rc = file_mkdirs_for(path, 0755, e);
	if (rc < 0)
		return rc;
	if (is_abandoned(&address))
		unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t before = umask(admin ? 0077 : 0111);
	bool listens = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
		       listen(fd, BACKLOG) == 0;
	int sys = errno;
	umask(before);
	if (listens)
		return add(all, fd, admin, true, e);
	file_close(&fd);
	if (sys == EADDRINUSE)
		return err_set(e, ERR_CONFLICT, "another program listens on unix:%s", path);
	return err_sys(e, sys, "unix:%s", path);
}

static int bind_one(const struct addrinfo *a, bool dual)
{
	int on = 1, off = 0;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? &off : &on, sizeof on);
	if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int sys = errno;
	file_close(&fd);
	errno = sys;
	return -1;
}

/* Every address of a name ("localhost" has two); of an empty host one socket for IPv6 and IPv4, or
 * where there is no IPv6, for IPv4. */
static int open_inet(struct serve_sockets *all, const struct settings_serve_place *p, struct err *e)
{
	char port[16];
	bool any = !*p->host;
	struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM,
						 .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	snprintf(port, sizeof port, "%u", p->port);
	int failed = getaddrinfo(any ? "::" : p->host, port, &hints, &found);
	if (failed)
		return err_set(e, ERR_USAGE, "listen: %s: %s", p->host, gai_strerror(failed));
	int rc = 0, sys = 0;
	size_t before = all->count;
	for (const struct addrinfo *a = found; a && rc == 0; a = a->ai_next) {
		int fd = bind_one(a, any);
		if (fd >= 0)
			rc = add(all, fd, false, true, e);
		else
			sys = errno;
	}
	freeaddrinfo(found);
	if (rc < 0 || all->count > before)
		return rc;
	if (any && (sys == EAFNOSUPPORT || sys == EADDRNOTAVAIL)) {
		const struct settings_serve_place four = { .host = (char[]){ "0.0.0.0" },
							   .port = p->port };
		return open_inet(all, &four, e);
	}
	if (sys == EADDRINUSE)
		return err_set(e, ERR_CONFLICT, "another program listens on %s:%s",
			       any ? "*" : p->host, port);
	return err_sys(e, sys, "listen: %s:%s", any ? "*" : p->host, port);
}

int serve_sockets_open(const struct settings_serve *set, struct serve_sockets *out, struct err *e)
{
	CLEANUP(serve_sockets_release) struct serve_sockets all = { 0 };
	int rc = take_inherited(&all, e);
	bool admin = false;
	for (size_t i = 0; i < all.count; i++)
		admin |= all.at[i].admin;
	for (size_t i = 0; i < set->listen_count && rc == 0 && !all.inherited; i++) {
		const struct settings_serve_place *p = &set->listen[i];
		rc = p->path ? open_local(&all, p->path, false, e) : open_inet(&all, p, e);
	}
	if (rc == 0 && set->admin && !admin)
		rc = open_local(&all, set->admin, true, e);
	if (rc < 0)
		return rc;
	*out = all;
	all = (struct serve_sockets){ 0 };
	return 0;
}

bool serve_sockets_are_open(const struct settings_serve *set, const struct serve_sockets *s)
{
	if (set->anonymous_said)
		return set->anonymous;
	for (size_t i = 0; i < s->count; i++)
		if (!s->at[i].loopback)
			return false;
	return true;
}

void serve_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path)
		return;
	size_t len = strlen(path);
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0'; /* an abstract one */
	CLEANUP(file_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
			      size);
}
