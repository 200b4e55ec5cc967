#include "util/child.h"

#include "util/clock.h"
#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 200
#define TICK_MIN_MS 5
#define GRACE_MS 5000
#define LINE_BYTES 1000

extern char **environ;

struct running {
	const struct child *child;
	struct child_result *result;
	pid_t pid;
	int pipe;   /* -1 when everything was read */
	int answer; /* the same for stdout, where it is kept apart */
	bool ended;
	uint64_t shown; /* bytes of progress */
	char line[LINE_BYTES + 1];
	size_t line_len;
};

void child_result_release(struct child_result *r)
{
	buf_release(&r->head);
	buf_release(&r->output);
	buf_release(&r->answer);
}

/* ---- starting ----------------------------------------------------------------------- */

char *child_on_path(const char *name)
{
	const char *path = getenv("PATH");
	CLEANUP(str_list_release) struct str_list dirs = { 0 };
	str_list_split(&dirs, path ? path : "", ":");
	for (size_t i = 0; i < dirs.count; i++) {
		CLEANUP(mem_free_ptr) char *candidate = path_join(dirs.at[i], name);
		if (access(candidate, X_OK) == 0 && !file_is_dir(candidate))
			return path_absolute(candidate);
	}
	return NULL;
}

bool child_is_secret(const char *variable)
{
	static const char *const ends[] = { "TOKEN",    "KEY",        "SECRET",
					    "PASSWORD", "PASSPHRASE", "CREDENTIALS" };
	CLEANUP(mem_free_ptr) char *name = mem_strndup(variable, strcspn(variable, "="));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_ends(name, ends[i]))
			return true;
	return str_starts(name, "AWS_");
}

static bool is_hidden(const struct child *c, const char *variable)
{
	return c->trusted || c->credentials ? str_starts(variable, "FERRY_PASSPHRASE=")
					    : child_is_secret(variable);
}

/* The strings are borrowed; the caller frees the array. */
static char **environment_of(const struct child *c)
{
	size_t count = 0, kept = 0;
	while (environ[count])
		count++;
	char **out = mem_alloc((count + 1) * sizeof *out);
	for (size_t i = 0; i < count; i++)
		if (!is_hidden(c, environ[i]))
			out[kept++] = environ[i];
	return out;
}

/* Ends of pipes and what is stdin: -1 is not open. */
struct plumbing {
	int in, output[2], answer[2], failure[2];
};

static void close_pair(int pair[2])
{
	file_close(&pair[0]);
	file_close(&pair[1]);
}

static void plumbing_release(struct plumbing *p)
{
	file_close(&p->in);
	close_pair(p->output);
	close_pair(p->answer);
	close_pair(p->failure);
}

/* A memory file instead of a pipe: nothing has to be written while the program runs, and it does
 * no harm if the program does not read its input. */
static int open_input(const struct child *c)
{
	struct err e = ERR_INIT;
	if (!c->input)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEANUP(file_close) int fd = os_memory_file();
	if (fd < 0 || file_write(fd, c->input, c->input_len, "memory", &e) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	int done = fd;
	fd = -1;
	return done;
}

static bool open_plumbing(const struct child *c, struct plumbing *p)
{
	p->in = open_input(c);
	return p->in >= 0 && os_pipe(p->output) == 0 && os_pipe(p->failure) == 0 &&
	       (!c->answer_max || os_pipe(p->answer) == 0);
}

void child_default_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGPIPE, SIGXFSZ };
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		signal(signals[i], SIG_DFL);
}

/* Between fork and exec: only what is async-signal-safe. */
static NORETURN void become_child(const struct child *c, char **env, const struct plumbing *p,
				  pid_t parent)
{
	int out = c->answer_max ? p->answer[1] : p->output[1];
	if (!c->trusted)
		setpgid(0, 0);
	os_die_with_parent();
	child_default_signals();
	if (getppid() == parent && dup2(p->in, 0) >= 0 && dup2(out, 1) >= 0 &&
	    dup2(p->output[1], 2) >= 0 && (!c->dir || chdir(c->dir) == 0))
		execve(c->argv[0], (char *const *)(uintptr_t)c->argv, env);
	int why = errno;
	ssize_t ignored = write(p->failure[1], &why, sizeof why);
	(void)ignored;
	_exit(127);
}

static int start(struct running *r, struct err *e)
{
	const char *program = r->child->argv[0];
	CLEANUP(plumbing_release) struct plumbing p = { -1, { -1, -1 }, { -1, -1 }, { -1, -1 } };
	if (!open_plumbing(r->child, &p)) {
		err_sys(e, errno, "cannot run %s", program);
		return err_class_set(e, ERR_SYSTEM);
	}
	char **env = environment_of(r->child);
	pid_t parent = getpid();
	r->pid = fork();
	int why = errno;
	if (r->pid == 0)
		become_child(r->child, env, &p, parent);
	free(env);
	file_close(&p.output[1]);
	file_close(&p.answer[1]);
	file_close(&p.failure[1]);
	bool started = r->pid > 0;
	if (started) {
		if (!r->child->trusted)
			setpgid(r->pid, r->pid);
		started = read(p.failure[0], &why, sizeof why) == 0;
		if (!started)
			waitpid(r->pid, NULL, 0);
	}
	if (!started)
		return err_sys(e, why, "cannot run %s", program);
	r->pipe = p.output[0];
	r->answer = p.answer[0];
	p.output[0] = p.answer[0] = -1;
	return 0;
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
	/* Twice the needed size, so that old output has to be moved out only rarely. */
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

static void take_answer(struct running *r, const char *data, size_t len)
{
	struct buf *b = &r->result->answer;
	r->result->too_long = r->result->too_long || len > b->max - b->len;
	if (!r->result->too_long)
		buf_add(b, data, len);
}

/* Reads once; closes the pipe at its end. */
static void read_piece(struct running *r, int *pipe, bool answer)
{
	char data[4096];
	ssize_t n = read(*pipe, data, sizeof data);
	if (n > 0 && answer)
		take_answer(r, data, (size_t)n);
	else if (n > 0)
		take_output(r, data, (size_t)n);
	else if (n == 0 || errno != EINTR)
		file_close(pipe);
}

static bool is_readable(const struct running *r)
{
	return r->pipe >= 0 || r->answer >= 0;
}

static void read_output(struct running *r, int wait_ms)
{
	for (; is_readable(r) && !r->result->too_long; wait_ms = 0) {
		struct pollfd p[] = { { .fd = r->pipe, .events = POLLIN },
				      { .fd = r->answer, .events = POLLIN } };
		if (poll(p, ARRAY_LEN(p), wait_ms) <= 0)
			return;
		if (p[0].revents)
			read_piece(r, &r->pipe, false);
		if (p[1].revents)
			read_piece(r, &r->answer, true);
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
		report_advance(r->child->report, r->child->task, (int64_t)now - (int64_t)r->shown);
	r->shown = now;
}

/* ---- waiting and ending ------------------------------------------------------------- */

static void signal_it(const struct running *r, int number)
{
	kill(r->child->trusted ? r->pid : -r->pid, number);
}

/* Kills what the program left running, before its process group number can be reused. */
static void reap(struct running *r)
{
	signal_it(r, SIGKILL);
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
	uint64_t until = clock_now_ms(NULL) + GRACE_MS;
	signal_it(r, SIGTERM);
	for (look_for_end(r); !r->ended && clock_now_ms(NULL) < until; look_for_end(r)) {
		if (is_readable(r) && !r->result->too_long)
			read_output(r, 50);
		else
			poll(NULL, 0, 50);
	}
	if (!r->ended)
		reap(r);
}

static int wait_for_end(struct running *r, struct err *e)
{
	uint64_t began = clock_now_ms(NULL);
	int tick_ms = TICK_MIN_MS; /* most programs end soon after their output */
	for (look_for_end(r); !r->ended; look_for_end(r)) {
		if (cancel_check(r->child->cancel, e) < 0) {
			stop(r);
			return -ERR_CANCELLED;
		}
		if (r->child->timeout_s &&
		    clock_now_ms(NULL) - began > r->child->timeout_s * 1000) {
			r->result->timed_out = true;
			stop(r);
			break;
		}
		if (r->result->too_long) {
			stop(r);
			break;
		}
		if (is_readable(r))
			read_output(r, TICK_MS);
		else if (poll(NULL, 0, tick_ms) == 0)
			tick_ms = MIN(2 * tick_ms, TICK_MS);
		show_progress(r);
	}
	read_output(r, 0);
	return 0;
}

int child_run(const struct child *c, struct child_result *out, struct err *e)
{
	CLEANUP(child_result_release) struct child_result result = {
		.head = BUF_INIT(CHILD_HEAD),
		.output = BUF_INIT(2 * CHILD_OUTPUT),
		.answer = BUF_INIT(c->answer_max),
	};
	struct running r = { .child = c, .result = &result, .pipe = -1, .answer = -1 };
	int rc = start(&r, e);
	if (rc < 0)
		return rc;
	if (c->task)
		report_begin(c->report, c->task, c->expected, 0);
	rc = wait_for_end(&r, e);
	end_line(&r);
	file_close(&r.pipe);
	file_close(&r.answer);
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
	static const struct {
		int signal;
		const char *text;
	} signals[] = {
		{ SIGABRT, "aborted (SIGABRT): an assertion failed, often because a key is missing "
			   "in the model" },
		{ SIGKILL, "was killed (SIGKILL), probably by the system because memory ran out" },
		{ SIGSEGV, "crashed (SIGSEGV)" },
		{ SIGBUS,
		  "crashed (SIGBUS), often because a file was truncated or the disk is full" },
		{ SIGILL, "crashed (SIGILL): it was built for a different processor" },
	};
	if (r->timed_out) {
		snprintf(out, size, "did not end in time");
		return out;
	}
	if (r->too_long) {
		snprintf(out, size, "wrote more output than allowed");
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
