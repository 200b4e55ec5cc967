/* Failures of this machine that look like those of a server. */
#include "http/internal.h"

#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static bool is_local(int sys)
{
	return sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == ENOBUFS;
}

curl_socket_t http_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct transfer *t = ctx;
	(void)purpose;
	int fd = socket(to->family, to->socktype, to->protocol);
	t->family = to->family;
	if (fd < 0) {
		if (is_local(errno))
			t->sys = errno;
		return CURL_SOCKET_BAD;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* Resolving a name and loading certificates fail without saying that descriptors ran out. */
static int try_descriptors(void)
{
	enum { NEEDED = 4 };
	int fds[NEEDED], sys = 0;
	for (size_t i = 0; i < NEEDED; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		if (fds[i] < 0 && is_local(errno))
			sys = errno;
	}
	for (size_t i = 0; i < NEEDED; i++)
		file_close(&fds[i]);
	return sys;
}

static int cause_of(const struct transfer *t, CURLcode code)
{
	long sys = 0;
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(t->client->easy, CURLINFO_OS_ERRNO, &sys);
		/* Of an IPv6 address, it says that this machine has no IPv6. */
		if (is_local((int)sys) || (sys == EADDRNOTAVAIL && t->family == AF_INET))
			return (int)sys;
		return t->sys;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_FAILED_INIT:
	case CURLE_OUT_OF_MEMORY:
		return try_descriptors();
	default:
		return 0;
	}
}

static const char *hint_for(int sys)
{
	switch (sys) {
	case EMFILE:
		return "raise the limit of open files (ulimit -n), or use fewer connections";
	case ENFILE:
		return "the limit of open files of the whole system is reached: end some programs";
	case EADDRNOTAVAIL:
		return "all local ports are in use: wait a minute, or use fewer connections";
	default:
		return "this system is short of memory: end some programs";
	}
}

int http_fault_local(const struct transfer *t, CURLcode code, struct err *e)
{
	int sys = cause_of(t, code);
	if (!sys)
		return 0;
	err_sys(e, sys, "this machine cannot open a connection");
	return err_hint(e, "%s", hint_for(sys));
}
