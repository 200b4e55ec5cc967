#include "publish/child.h"

#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 200
#define GRACE_MS 5000
#define LINE_BYTES 1000

extern char **environ;

struct running {
	const struct child *child;
	struct child_result *result;
	pid_t pid;
	int pipe;                       /* -1 when everything was read */
	bool ended;
	uint64_t shown;                 /* bytes of progress */
	char line[LINE_BYTES + 1];
	size_t line_len;
};

void child_result_release(struct child_result *r)
{
	buf_release(&r->head);
	buf_release(&r->output);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- starting ----------------------------------------------------------------------- */

static bool is_secret(const char *variable)
{
	static const char *const ends[] = { "TOKEN", "KEY", "SECRET", "PASSWORD", "PASSPHRASE",
					    "CREDENTIALS" };
	CLEANUP(mem_free_ptr) char *name = mem_strndup(variable, strcspn(variable, "="));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends(name, ends[i]))
			return true;
	return str_starts(name, "AWS_");
}

/* The strings are borrowed; the caller frees the array. */
static char **environment_without_secrets(void)
{
	size_t count = 0, kept = 0;
	while (environ[count])
		count++;
	char **out = mem_alloc((count + 1) * sizeof *out);
	for (size_t i = 0; i < count; i++)
		if (!is_secret(environ[i]))
			out[kept++] = environ[i];
	return out;
}

/* Between fork and exec: only what is async-signal-safe. */
static NORETURN void become_child(const struct child *c, char **env, int out, int failed,
				  int null, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cancel_reset_child();
	if (getppid() == parent && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0 &&
	    (!c->dir || chdir(c->dir) == 0))
		execve(c->argv[0], (char *const *)(uintptr_t)c->argv, env);
	int why = errno;
	ssize_t ignored = write(failed, &why, sizeof why);
	(void)ignored;
	_exit(127);
}

static int start(struct running *r, struct err *e)
{
	const char *program = r->child->argv[0];
	CLEANUP(file_close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int output[2] = { -1, -1 }, failure[2] = { -1, -1 };
	if (null < 0 || pipe2(output, O_CLOEXEC) < 0 || pipe2(failure, O_CLOEXEC) < 0) {
		err_sys(e, errno, "cannot run %s", program);
		file_close(&output[0]);
		file_close(&output[1]);
		return err_class_set(e, ERR_SYSTEM);
	}
	char **env = environment_without_secrets();
	pid_t parent = getpid();
	r->pid = fork();
	int why = errno;
	if (r->pid == 0)
		become_child(r->child, env, output[1], failure[1], null, parent);
	free(env);
	close(output[1]);
	close(failure[1]);
	bool started = r->pid > 0;
	if (started) {
		setpgid(r->pid, r->pid);
		started = read(failure[0], &why, sizeof why) == 0;
		if (!started)
			waitpid(r->pid, NULL, 0);
	}
	close(failure[0]);
	r->pipe = output[0];
	if (started)
		return 0;
	close(output[0]);
	return err_sys(e, why, "cannot run %s", program);
}

/* ---- its output --------------------------------------------------------------------- */

static void end_line(struct running *r)
{
	r->line[r->line_len] = '\0';
	if (r->line_len)
		report_detail(r->child->report, "%s", r->line);
	r->line_len = 0;
}

static void take_output(struct running *r, const char *data, size_t len)
{
	struct buf *b = &r->result->output, *head = &r->result->head;
	buf_add(head, data, MIN(len, head->max - head->len));
	/* Twice the room, so that the older half is moved out only now and then. */
	if (b->len + len > 2 * CHILD_OUTPUT) {
		memmove(b->data, b->data + b->len - CHILD_OUTPUT, CHILD_OUTPUT);
		b->len = CHILD_OUTPUT;
	}
	buf_add(b, data, len);
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			end_line(r);
		else if (r->line_len < LINE_BYTES)
			r->line[r->line_len++] = data[i] ? data[i] : ' ';
	}
}

static void read_output(struct running *r, int wait_ms)
{
	char data[4096];
	struct pollfd p = { .fd = r->pipe, .events = POLLIN };
	while (r->pipe >= 0 && poll(&p, 1, wait_ms) > 0) {
		ssize_t n = read(r->pipe, data, sizeof data);
		if (n > 0)
			take_output(r, data, (size_t)n);
		else if (n == 0 || errno != EINTR)
			file_close(&r->pipe);
		wait_ms = 0;
	}
}

static uint64_t watched_bytes(const char *path)
{
	struct err ignored = ERR_INIT;
	uint64_t size = 0, total = 0;
	if (!file_is_dir(path))
		return file_size(path, &size, &ignored) == 0 ? size : 0;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (file_list_dir(path, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *file = path_join(path, names.at[i]);
		struct err e = ERR_INIT;
		if (file_size(file, &size, &e) == 0)
			total += size;
	}
	return total;
}

static void show_progress(struct running *r)
{
	if (!r->child->task)
		return;
	uint64_t now = watched_bytes(r->child->watch);
	if (now != r->shown)
		report_advance(r->child->report, r->child->task,
			       (int64_t)now - (int64_t)r->shown);
	r->shown = now;
}

/* ---- waiting and ending ------------------------------------------------------------- */

/* Ends what the program left running before its number can be given to another. */
static void reap(struct running *r)
{
	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, &r->result->status, 0) < 0 && errno == EINTR)
		;
	r->ended = true;
}

static void look_for_end(struct running *r)
{
	siginfo_t info = { 0 };
	if (!r->ended && waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == r->pid)
		reap(r);
}

static void stop(struct running *r)
{
	uint64_t until = now_ms() + GRACE_MS;
	kill(-r->pid, SIGTERM);
	for (look_for_end(r); !r->ended && now_ms() < until; look_for_end(r)) {
		if (r->pipe >= 0)
			read_output(r, 50);
		else
			poll(NULL, 0, 50);
	}
	if (!r->ended)
		reap(r);
}

static int wait_for_end(struct running *r, struct err *e)
{
	uint64_t began = now_ms();
	for (look_for_end(r); !r->ended; look_for_end(r)) {
		if (cancel_check(e) < 0) {
			stop(r);
			return -ERR_CANCELLED;
		}
		if (r->child->timeout_s && now_ms() - began > r->child->timeout_s * 1000) {
			r->result->timed_out = true;
			stop(r);
			break;
		}
		if (r->pipe >= 0)
			read_output(r, TICK_MS);
		else
			poll(NULL, 0, TICK_MS);
		show_progress(r);
	}
	read_output(r, 0);
	return 0;
}

int child_run(const struct child *c, struct child_result *out, struct err *e)
{
	CLEANUP(child_result_release) struct child_result result =
		{ .head = BUF_INIT(CHILD_HEAD), .output = BUF_INIT(2 * CHILD_OUTPUT) };
	struct running r = { .child = c, .result = &result, .pipe = -1 };
	int rc = start(&r, e);
	if (rc < 0)
		return rc;
	if (c->task)
		report_begin(c->report, c->task, c->expected, 0);
	rc = wait_for_end(&r, e);
	end_line(&r);
	file_close(&r.pipe);
	if (c->task)
		report_end(c->report, c->task, rc == 0 && child_ok(&result));
	if (rc < 0)
		return rc;
	*out = result;
	result = (struct child_result){ 0 };
	return 0;
}

const char *child_describe(const struct child_result *r, char *out, size_t size)
{
	static const struct { int signal; const char *text; } signals[] = {
		{ SIGABRT, "was stopped by SIGABRT: an assertion in it failed, often about a key "
			   "that the model lacks" },
		{ SIGKILL, "was killed by SIGKILL: probably by the system, for want of memory" },
		{ SIGSEGV, "crashed (SIGSEGV)" },
		{ SIGBUS, "crashed (SIGBUS): often a file that shrank, or a full disk" },
		{ SIGILL, "crashed (SIGILL): it was built for another processor" },
	};
	if (r->timed_out) {
		snprintf(out, size, "did not end in time");
		return out;
	}
	if (WIFEXITED(r->status)) {
		snprintf(out, size, "ended with status %d", WEXITSTATUS(r->status));
		return out;
	}
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (WTERMSIG(r->status) == signals[i].signal)
			return signals[i].text;
	snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(r->status),
		 strsignal(WTERMSIG(r->status)));
	return out;
}
