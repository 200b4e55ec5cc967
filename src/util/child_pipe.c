#include "util/child_pipe.h"

#include "util/child.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 200
#define GRACE_MS 5000
#define MAX_ERRORS MIB /* that a program may print on stderr before it is ended */

extern char **environ;

struct child_pipe {
	pid_t pid;
	int fd;     /* a socket, so that a write to a program that has ended raises no signal */
	int errors; /* a file: nothing has to be read while the program runs */
	bool ended;
	uint64_t stall_s;
	const struct cancel *cancel;
};

/* ---- starting ----------------------------------------------------------------------- */

/* The strings are borrowed; the caller frees the array. */
static char **environment_of(const struct child_pipe_options *o)
{
	size_t count = 0, kept = 0, more = 0;
	while (environ[count])
		count++;
	while (o->set && o->set[more])
		more++;
	char **out = mem_alloc((count + more + 1) * sizeof *out);
	for (size_t i = 0; i < count; i++)
		if (!child_is_secret(environ[i]) && !(o->hide && str_starts(environ[i], o->hide)))
			out[kept++] = environ[i];
	for (size_t i = 0; i < more; i++)
		out[kept++] = (char *)(uintptr_t)o->set[i];
	return out;
}

static int spawn_with(const struct child_pipe_options *o, posix_spawnattr_t *how,
		      posix_spawn_file_actions_t *files, pid_t *pid)
{
	sigset_t set;
	char **env = environment_of(o);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(how, &set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	posix_spawnattr_setsigdefault(how, &set);
	posix_spawnattr_setpgroup(how, 0);
	posix_spawnattr_setflags(how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
					      POSIX_SPAWN_SETSIGMASK);
	int sys = posix_spawn(pid, o->argv[0], files, how, (char *const *)(uintptr_t)o->argv, env);
	free(env);
	return sys;
}

/* 0, or a value of errno. */
static int spawn(const struct child_pipe_options *o, int io, int errors, pid_t *pid)
{
	posix_spawnattr_t how;
	posix_spawn_file_actions_t files;
	if (posix_spawnattr_init(&how) != 0)
		return ENOMEM;
	if (posix_spawn_file_actions_init(&files) != 0) {
		posix_spawnattr_destroy(&how);
		return ENOMEM;
	}
	posix_spawn_file_actions_adddup2(&files, io, 0);
	posix_spawn_file_actions_adddup2(&files, io, 1);
	posix_spawn_file_actions_adddup2(&files, errors, 2);
	int sys = spawn_with(o, &how, &files, pid);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	return sys;
}

/* Its program's end has no flags: programs expect reads that wait. */
static bool open_sockets(int ends[2])
{
	return os_sockets(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

int child_pipe_open(const struct child_pipe_options *o, struct child_pipe **out, struct err *e)
{
	int ends[2] = { -1, -1 };
	pid_t pid = -1;
	CLEANUP(file_close) int errors = os_memory_file();
	/* Where the child does not share our memory, posix_spawn() does not report that there is no
	 * such program. */
	bool able = errors >= 0 && access(o->argv[0], X_OK) == 0 && open_sockets(ends);
	int sys = able ? spawn(o, ends[1], errors, &pid) : errno;
	file_close(&ends[1]);
	if (sys) {
		file_close(&ends[0]);
		return err_sys(e, sys, "cannot run %s", o->argv[0]);
	}
	struct child_pipe *p = NEW(struct child_pipe);
	*p = (struct child_pipe){
		.pid = pid,
		.fd = ends[0],
		.errors = errors,
		.stall_s = o->stall_s,
		.cancel = o->cancel,
	};
	errors = -1;
	*out = p;
	return 0;
}

/* ---- ending ------------------------------------------------------------------------- */

static void look_for_end(struct child_pipe *p)
{
	pid_t rc = p->ended ? 0 : waitpid(p->pid, NULL, WNOHANG);
	p->ended |= rc == p->pid || (rc < 0 && errno != EINTR);
}

static void wait_for_end(struct child_pipe *p)
{
	uint64_t until = clock_now_ms(NULL) + GRACE_MS;
	for (look_for_end(p); !p->ended && !cancel_signal(p->cancel) && clock_now_ms(NULL) < until;
	     look_for_end(p))
		poll(NULL, 0, 10);
}

void child_pipe_close(struct child_pipe *p)
{
	if (!p)
		return;
	file_close(&p->fd);
	wait_for_end(p);
	if (!p->ended) {
		kill(-p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	file_close(&p->errors);
	free(p);
}

/* ---- talking ------------------------------------------------------------------------ */

static int check_errors(const struct child_pipe *p, struct err *e)
{
	struct stat st;
	if (fstat(p->errors, &st) < 0 || (uint64_t)st.st_size <= MAX_ERRORS)
		return 0;
	return err_set(e, ERR_NETWORK, "the program printed more than a megabyte of messages");
}

/* Until the socket is ready. */
static int wait_for(const struct child_pipe *p, short events, struct err *e)
{
	struct pollfd fd = { .fd = p->fd, .events = events };
	uint64_t began = clock_now_ms(NULL);
	for (;;) {
		int rc = cancel_check(p->cancel, e);
		if (rc == 0)
			rc = check_errors(p, e);
		if (rc < 0)
			return rc;
		if (poll(&fd, 1, TICK_MS) > 0)
			return 0;
		if (p->stall_s && clock_now_ms(NULL) - began > p->stall_s * 1000) {
			err_set(e, ERR_NETWORK, "no answer for %llu seconds",
				(unsigned long long)p->stall_s);
			return err_cause(e, CAUSE_STALLED, 0);
		}
	}
}

static bool is_busy(int sys)
{
	return sys == EAGAIN || sys == EWOULDBLOCK || sys == EINTR;
}

static int dropped(int sys, struct err *e)
{
	err_sys(e, sys, "the connection ended");
	err_class_set(e, ERR_NETWORK);
	return err_cause(e, CAUSE_DROPPED, 0);
}

int child_pipe_write(struct child_pipe *p, const void *data, size_t len, struct err *e)
{
	const char *at = data;
	int rc = 0;
	while (rc == 0 && len) {
		ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && !is_busy(errno))
			return dropped(errno, e);
		if (n < 0)
			rc = wait_for(p, POLLOUT, e);
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return rc;
}

int child_pipe_read(struct child_pipe *p, void *data, size_t size, size_t *len, struct err *e)
{
	for (;;) {
		ssize_t n = recv(p->fd, data, size, 0);
		if (n >= 0 || errno == ECONNRESET) {
			*len = n > 0 ? (size_t)n : 0;
			if (!*len)
				wait_for_end(p); /* so that its messages are complete */
			return 0;
		}
		if (!is_busy(errno))
			return dropped(errno, e);
		int rc = wait_for(p, POLLIN, e);
		if (rc < 0)
			return rc;
	}
}

char *child_pipe_errors(const struct child_pipe *p)
{
	char *text = mem_alloc(CHILD_PIPE_ERRORS + 1);
	ssize_t n = pread(p->errors, text, CHILD_PIPE_ERRORS, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}
