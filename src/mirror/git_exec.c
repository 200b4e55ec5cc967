/* ssh, and git itself for a repository on this machine: one program for the whole exchange. */
#include "mirror/git.h"

#include "util/child.h"
#include "util/child_pipe.h"
#include "util/mem.h"

#include <string.h>

#define STALL_S 600 /* hooks of the server may take their time; ssh itself notices dead lines */

/* ---- the command ----------------------------------------------------------------- */

/* The path as a word of the other side's shell. */
static char *quoted(const char *path)
{
	struct buf b = BUF_INIT(64 * KIB);
	buf_addc(&b, '\'');
	for (const char *c = path; *c; c++)
		*c == '\'' ? buf_adds(&b, "'\\''") : buf_addc(&b, *c);
	buf_addc(&b, '\'');
	return buf_steal(&b);
}

static void option(struct str_list *argv, const char *fmt, const char *value)
{
	if (!value)
		return;
	str_list_add(argv, "-o");
	str_list_take(argv, mem_printf(fmt, value));
}

/* Nobody is asked anything: neither a password, nor whether to trust a host. */
static void ssh_command(const struct mirror_git *g, const char *service, struct str_list *argv)
{
	static const char *const fixed[] = { "BatchMode=yes", "StrictHostKeyChecking=yes",
					     "ConnectTimeout=30", "ServerAliveInterval=15",
					     "ServerAliveCountMax=4" };
	CLEANUP(mem_free_ptr) char *path = quoted(g->remote.path);
	str_list_add(argv, "-T");
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		option(argv, "%s", fixed[i]);
	option(argv, "UserKnownHostsFile=\"%s\"", g->known_hosts);
	option(argv, "GlobalKnownHostsFile=%s", g->known_hosts ? "none" : NULL);
	option(argv, "IdentityFile=\"%s\"", g->ssh_key);
	option(argv, "IdentitiesOnly=%s", g->ssh_key ? "yes" : NULL);
	if (g->remote.port) {
		str_list_add(argv, "-p");
		str_list_take(argv, mem_printf("%u", g->remote.port));
	}
	if (g->remote.user) {
		str_list_add(argv, "-l");
		str_list_add(argv, g->remote.user);
	}
	str_list_add(argv, "--");
	str_list_add(argv, g->remote.host);
	str_list_take(argv, mem_printf("git-%s %s", service, path));
}

static int command(const struct mirror_git_call *call, struct str_list *argv, struct err *e)
{
	const struct mirror_git *g = call->g;
	bool ssh = g->remote.way == MIRROR_GIT_SSH;
	const char *service = call->write ? "receive-pack" : "upload-pack";
	char *program = child_on_path(ssh ? "ssh" : "git");
	if (!program) {
		err_set(e, ERR_SYSTEM, "the program %s is not installed", ssh ? "ssh" : "git");
		return err_hint(e, "install %s, or use an https:// remote",
				ssh ? "OpenSSH's client" : "git");
	}
	str_list_take(argv, program);
	if (ssh) {
		ssh_command(g, service, argv);
	} else {
		str_list_add(argv, service);
		str_list_add(argv, g->remote.path);
	}
	return 0;
}

static int start(struct mirror_git_line *w, struct err *e)
{
	static const char *const set[] = { "LC_ALL=C", NULL };
	CLEANUP(str_list_release) struct str_list argv = { 0 };
	struct child_pipe *p = NULL;
	int rc = command(w->call, &argv, e);
	argv.at = mem_grow(argv.at, argv.count, &argv.cap, sizeof *argv.at);
	argv.at[argv.count] = NULL;
	struct child_pipe_options o = {
		.argv = (const char *const *)argv.at,
		.hide = "GIT_", /* a hook that runs us has GIT_DIR of its own repository */
		.set = set,
		.stall_s = STALL_S,
		.cancel = w->call->m->env.cancel,
	};
	if (rc == 0)
		rc = child_pipe_open(&o, &p, e);
	w->state = p;
	return rc;
}

/* ---- what went wrong ------------------------------------------------------------- */

static const struct {
	const char *words; /* of ssh, of git, or of a host's own program */
	enum err_class class;
	enum err_cause cause;
} known[] = {
	{ "REMOTE HOST IDENTIFICATION HAS CHANGED", ERR_INTEGRITY, CAUSE_NONE },
	{ "Host key verification failed", ERR_INTEGRITY, CAUSE_NONE },
	{ "Permission denied", ERR_AUTH, CAUSE_NONE },
	{ "Too many authentication failures", ERR_AUTH, CAUSE_NONE },
	{ "read only", ERR_AUTH, CAUSE_NONE },
	{ "ERROR: Permission to", ERR_AUTH, CAUSE_NONE },
	{ "not allowed to push", ERR_AUTH, CAUSE_NONE },
	{ "epository not found", ERR_NOT_FOUND, CAUSE_NONE },
	{ "does not appear to be a git repository", ERR_NOT_FOUND, CAUSE_NONE },
	{ "could not be found", ERR_NOT_FOUND, CAUSE_NONE },
	{ "not a git repository", ERR_NOT_FOUND, CAUSE_NONE },
	{ "dubious ownership", ERR_SYSTEM, CAUSE_NONE },
	{ "Bad owner or permissions", ERR_SYSTEM, CAUSE_NONE },
	{ "UNPROTECTED PRIVATE KEY FILE", ERR_SYSTEM, CAUSE_NONE },
	{ "Could not resolve hostname", ERR_NETWORK, CAUSE_UNREACHABLE },
	{ "Connection refused", ERR_NETWORK, CAUSE_UNREACHABLE },
	{ "timed out", ERR_NETWORK, CAUSE_UNREACHABLE },
	{ "No route to host", ERR_NETWORK, CAUSE_UNREACHABLE },
};

/* The lines of text without empty ones and rulers, joined. */
static char *in_one_line(const char *text)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	CLEANUP(mem_free_ptr) char *safe = NULL;
	struct buf b = BUF_INIT(8 * KIB);
	str_list_split(&lines, text, "\r\n");
	for (size_t i = 0; i < lines.count; i++)
		if (lines.at[i][strspn(lines.at[i], " @")])
			buf_addf(&b, "%s%s", b.len ? "; " : "", lines.at[i]);
	safe = text_escaped(buf_str(&b));
	buf_release(&b);
	return STEAL(safe);
}

static void advise(const struct mirror_git *g, const char *said, struct err *e)
{
	const struct mirror_git_remote *r = &g->remote;
	CLEANUP(mem_free_ptr) char *port = r->port ? mem_printf(" -p %u", r->port) : mem_strdup("");
	const char *file = g->known_hosts ? g->known_hosts : "~/.ssh/known_hosts";
	if (strstr(said, "IDENTIFICATION HAS CHANGED"))
		err_hint(e,
			 "either the host has a new key, or somebody is in between: compare with "
			 "the fingerprints that the host publishes; only if they agree, remove "
			 "the old key from %s",
			 file);
	else if (strstr(said, "Host key verification failed"))
		err_hint(e,
			 "the host is not in %s: run `ssh-keyscan%s %s`, compare with the "
			 "fingerprints that the host publishes, and add the line to the file",
			 file, port, r->host);
	else if (err_is(e, ERR_AUTH) && r->way == MIRROR_GIT_SSH)
		err_hint(e, "%s",
			 g->ssh_key
				 ? "has the host the public half of ssh-key, with the right to "
				   "write? A key with a passphrase must be in ssh-agent"
				 : "set ssh-key in ferry.conf, or load a key that the host knows "
				   "with ssh-add");
	else if (err_is(e, ERR_NOT_FOUND))
		err_hint(e, "create the repository, empty, or correct remote in ferry.conf");
}

/* The other side has ended too early. */
static int failed(struct mirror_git_line *w, struct err *e)
{
	const struct mirror_git *g = w->call->g;
	CLEANUP(mem_free_ptr) char *said = child_pipe_errors(w->state);
	CLEANUP(mem_free_ptr) char *line = in_one_line(said);
	bool ssh = g->remote.way == MIRROR_GIT_SSH;
	if (!*line)
		return ssh ? err_set(e, ERR_NETWORK, "ssh ended without an answer") : 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!strstr(said, known[i].words))
			continue;
		err_set(e, known[i].class, "%.600s", line);
		err_cause(e, known[i].cause, 0);
		advise(g, said, e);
		return -(int)e->class;
	}
	return err_set(e, ssh ? ERR_NETWORK : ERR_SYSTEM, "%.600s", line);
}

/* ---- the way --------------------------------------------------------------------- */

static int exec_begin(struct mirror_git_line *w, bool list, struct err *e)
{
	(void)list;
	return w->state ? 0 : start(w, e);
}

static int exec_write(struct mirror_git_line *w, const char *data, size_t len, struct err *e)
{
	struct err why = ERR_INIT;
	char rest[512];
	size_t n;
	int rc = child_pipe_write(w->state, data, len, &why);
	if (rc == 0)
		return 0;
	/* What the program said is worth more than that it has ended. */
	while (why.cause == CAUSE_DROPPED &&
	       (rc = child_pipe_read(w->state, rest, sizeof rest, &n, e)) == 0 && n)
		;
	if (why.cause == CAUSE_DROPPED && rc == 0 && failed(w, e) < 0)
		return -(int)e->class;
	*e = why;
	return -(int)e->class;
}

static int exec_read(struct mirror_git_line *w, char *data, size_t size, size_t *len, struct err *e)
{
	int rc = child_pipe_read(w->state, data, size, len, e);
	return rc == 0 && !*len ? failed(w, e) : rc;
}

static void exec_end(struct mirror_git_line *w)
{
	child_pipe_close(w->state);
	w->state = NULL;
}

const struct mirror_git_line_ops mirror_git_exec = {
	.begin = exec_begin,
	.write = exec_write,
	.read = exec_read,
	.end = exec_end,
};
