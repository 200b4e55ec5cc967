/* The local clone: fetching the branch into it, pushing from it. */
#include "mirror/git.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FETCH_AGAIN_MS 60000
#define LOCK_WAIT_MS 600000 /* as long as another process fetches or pushes */
#define MAX_SAID (16 * KIB)

#define REF_BRANCH "refs/ferry/branch"
#define REF_NEXT "refs/ferry/next"
#define REF_PUSHED "refs/ferry/pushed"

/* ---- libgit2 --------------------------------------------------------------------- */

static enum err_class class_of(int klass)
{
	switch (klass) {
	case GIT_ERROR_NET:
	case GIT_ERROR_HTTP:
	case GIT_ERROR_SSH:
		return ERR_NETWORK;
	case GIT_ERROR_INDEXER:
	case GIT_ERROR_ZLIB:
	case GIT_ERROR_OBJECT:
		return ERR_INTEGRITY;
	default:
		return ERR_SYSTEM;
	}
}

int mirror_git_failed(const char *what, struct err *e)
{
	const git_error *why = git_error_last();
	CLEANUP(mem_free_ptr) char *text = text_escaped(why && why->message ? why->message : "");
	return err_set(e, class_of(why ? why->klass : 0), "%s: %.300s", what,
		       *text ? text : "unknown error");
}

static void init_library(void)
{
	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
}

void mirror_git_start_library(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, init_library);
}

/* ---- the clone ------------------------------------------------------------------- */

/* While somebody changes the refs of the clone, or makes it. */
static int lock(struct mirror *m, int *fd, struct err *e)
{
	const struct mirror_git *g = m->state;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s.lock", g->dir);
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	/* Else the files of the mirror would count as missing. */
	if (rc == -ERR_NOT_FOUND)
		rc = err_class_set(e, ERR_SYSTEM);
	return rc < 0 ? rc : file_lock(path, LOCK_WAIT_MS, m->env.cancel, fd, e);
}

/* It gets its name when it is complete. */
static int make_clone(const struct mirror_git *g, struct err *e)
{
	git_repository *repo = NULL;
	CLEANUP(mem_free_ptr) char *making = mem_printf("%s.new", g->dir);
	file_remove_tree(making);
	int rc = git_repository_init(&repo, making, true);
	git_repository_free(repo);
	if (rc < 0)
		return mirror_git_failed(making, e);
	return rename(making, g->dir) < 0 ? err_sys(e, errno, "cannot make %s", g->dir) : 0;
}

/* Left by a process that was killed: those at work have our lock. */
static void remove_stale_locks(const struct mirror_git *g)
{
	static const char *const names[] = { "packed-refs", "config", REF_BRANCH, REF_NEXT,
					     REF_PUSHED };
	struct err ignored = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s.lock", g->dir, names[i]);
		(void)!file_remove(path, &ignored);
	}
}

static int open_repository(struct mirror *m, struct err *e)
{
	struct mirror_git *g = m->state;
	CLEANUP(file_close) int fd = -1;
	CLEANUP(mem_free_ptr) char *head = path_join(g->dir, "HEAD");
	int rc = g->repo ? 0 : lock(m, &fd, e);
	if (rc < 0 || g->repo)
		return rc;
	remove_stale_locks(g);
	rc = file_exists(head) ? 0 : make_clone(g, e);
	if (rc < 0 || git_repository_open_bare(&g->repo, g->dir) == 0)
		return rc;
	mirror_git_failed(g->dir, e);
	return err_hint(e, "it is only a cache: remove the folder, then run the command again");
}

void mirror_git_close_repository(struct mirror_git *g)
{
	git_repository_free(g->repo);
	g->repo = NULL;
}

/* ---- refs ------------------------------------------------------------------------ */

static bool read_ref(struct mirror_git *g, const char *name, git_oid *out)
{
	git_odb *odb = NULL;
	bool found = git_reference_name_to_id(out, g->repo, name) == 0 &&
		     git_repository_odb(&odb, g->repo) == 0 && git_odb_exists(odb, out);
	git_odb_free(odb);
	return found;
}

static int write_ref(struct mirror_git *g, const char *name, const git_oid *id, struct err *e)
{
	git_reference *ref = NULL;
	int rc = git_reference_create(&ref, g->repo, name, id, true, NULL);
	git_reference_free(ref);
	return rc < 0 ? mirror_git_failed(name, e) : 0;
}

static bool contains(struct mirror_git *g, const git_oid *commit)
{
	return g->has_branch && (git_oid_equal(&g->tip, commit) ||
				 git_graph_descendant_of(g->repo, &g->tip, commit) == 1);
}

/* What arrived, even if its answer did not: then `next` is what was pushed last. */
static int judge_history(struct mirror_git *g, struct err *e)
{
	git_oid next, pushed;
	if (read_ref(g, REF_NEXT, &next) && contains(g, &next)) {
		g->rewritten = false;
		return write_ref(g, REF_PUSHED, &next, e);
	}
	g->rewritten = read_ref(g, REF_PUSHED, &pushed) && !contains(g, &pushed);
	return 0;
}

int mirror_git_check_history(const struct mirror *m, struct err *e)
{
	const struct mirror_git *g = m->state;
	if (!g->rewritten)
		return 0;
	if (g->has_branch)
		err_set(e, ERR_CONFLICT,
			"the branch %s was rewritten: it no longer contains the commit that was "
			"pushed from here last",
			g->branch);
	else
		err_set(e, ERR_CONFLICT, "the branch %s was removed since the last push from here",
			g->branch);
	return err_hint(e,
			"find out who did that (git log, the host's audit log); to go on from what "
			"is there now, run `ferry mirror setup --mirror %s`",
			m->id);
}

int mirror_git_accept_history(struct mirror *m, struct err *e)
{
	struct mirror_git *g = m->state;
	int rc = git_reference_remove(g->repo, REF_PUSHED);
	if (rc == 0 || rc == GIT_ENOTFOUND)
		rc = git_reference_remove(g->repo, REF_NEXT);
	if (rc < 0 && rc != GIT_ENOTFOUND)
		return mirror_git_failed(g->dir, e);
	g->rewritten = false;
	return g->has_branch ? write_ref(g, REF_PUSHED, &g->tip, e) : 0;
}

/* ---- one exchange ---------------------------------------------------------------- */

static int on_said(const char *text, int len, void *payload)
{
	struct mirror_git_call *call = payload;
	buf_add(&call->said, text, (size_t)MIN((uint64_t)len, call->said.max - call->said.len));
	return cancel_signal(call->m->env.cancel) ? GIT_EUSER : 0;
}

static int on_fetched(const git_indexer_progress *progress, void *payload)
{
	struct mirror_git_call *call = payload;
	(void)progress;
	return cancel_signal(call->m->env.cancel) ? GIT_EUSER : 0;
}

static int on_packed(int stage, uint32_t current, uint32_t total, void *payload)
{
	(void)stage, (void)current, (void)total;
	return on_fetched(NULL, payload);
}

static int on_answer(const char *ref, const char *refusal, void *payload)
{
	struct mirror_git_call *call = payload;
	(void)ref;
	snprintf(call->refusal, sizeof call->refusal, "%s", refusal ? refusal : "");
	return 0;
}

static void callbacks(struct mirror_git_call *call, git_remote_callbacks *out)
{
	out->sideband_progress = on_said;
	out->transfer_progress = on_fetched;
	out->pack_progress = on_packed;
	out->push_update_reference = on_answer;
	out->transport = mirror_git_transport;
	out->payload = call;
}

static int call_failed(const struct mirror_git_call *call, struct err *e)
{
	const struct mirror_git *g = call->g;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(g->remote.url);
	if (cancel_check(call->m->env.cancel, e) < 0)
		return -ERR_CANCELLED;
	if (call->why.class)
		*e = call->why;
	else
		mirror_git_failed("git", e);
	/* Requests name their URL themselves. */
	return strstr(e->text, shown) ? -(int)e->class : err_context(e, "%s", shown);
}

/* A remote, connected; *has: it has the branch, at *tip. */
static int connect_to(struct mirror_git_call *call, git_remote **out, bool *has, git_oid *tip,
		      struct err *e)
{
	struct mirror_git *g = call->g;
	git_remote_create_options how;
	git_remote_callbacks cb;
	CLEANUP(mem_free_ptr) char *ref = mem_printf("refs/heads/%s", g->branch);
	const git_remote_head **heads = NULL;
	size_t count = 0;
	git_remote_create_options_init(&how, GIT_REMOTE_CREATE_OPTIONS_VERSION);
	git_remote_init_callbacks(&cb, GIT_REMOTE_CALLBACKS_VERSION);
	how.repository = g->repo;
	/* An insteadOf of somebody's configuration could lead a token elsewhere. */
	how.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
	callbacks(call, &cb);
	int rc = git_remote_create_with_opts(out, g->remote.url, &how);
	if (rc == 0)
		rc = git_remote_connect(*out,
					call->write ? GIT_DIRECTION_PUSH : GIT_DIRECTION_FETCH, &cb,
					NULL, NULL);
	if (rc == 0)
		rc = git_remote_ls(&heads, &count, *out);
	if (rc < 0)
		return call_failed(call, e);
	*has = false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(heads[i]->name, ref) == 0) {
			*has = true;
			*tip = heads[i]->oid;
		}
	return 0;
}

static void call_release(struct mirror_git_call *call)
{
	buf_release(&call->said);
}

static void remote_release(git_remote **r)
{
	git_remote_free(*r);
}

#define CALL_INIT(mirror, writes) \
	BRACES(.m = (mirror), .g = (mirror)->state, .write = (writes), .said = BUF_INIT(MAX_SAID))

/* ---- fetching -------------------------------------------------------------------- */

static bool is_here(struct mirror_git *g, const git_oid *commit)
{
	git_commit *c = NULL;
	bool here = git_commit_lookup(&c, g->repo, commit) == 0;
	git_commit_free(c);
	return here;
}

static int download(struct mirror_git_call *call, git_remote *remote, struct err *e)
{
	CLEANUP(mem_free_ptr) char *spec = mem_printf("+refs/heads/%s:" REF_BRANCH,
						      call->g->branch);
	git_strarray specs = { &spec, 1 };
	git_fetch_options how;
	git_fetch_options_init(&how, GIT_FETCH_OPTIONS_VERSION);
	how.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	how.update_fetchhead = 0;
	callbacks(call, &how.callbacks);
	return git_remote_download(remote, &specs, &how) < 0 ? call_failed(call, e) : 0;
}

static int fetch(struct mirror *m, struct err *e)
{
	CLEANUP(call_release) struct mirror_git_call call = CALL_INIT(m, false);
	CLEANUP(remote_release) git_remote *remote = NULL;
	struct mirror_git *g = m->state;
	bool has = false;
	git_oid tip;
	int rc = connect_to(&call, &remote, &has, &tip, e);
	if (rc == 0 && has && !is_here(g, &tip))
		rc = download(&call, remote, e);
	if (rc == 0 && has && !is_here(g, &tip))
		rc = err_set(e, ERR_NETWORK, "%s: the branch changed while it was fetched",
			     g->remote.url);
	if (rc == 0 && has)
		rc = write_ref(g, REF_BRANCH, &tip, e);
	if (rc < 0)
		return rc;
	g->has_branch = has;
	if (has)
		g->tip = tip;
	g->fetched = true;
	g->fetched_ms = clock_now_ms(m->env.clock);
	return judge_history(g, e);
}

int mirror_git_refresh(struct mirror *m, struct err *e)
{
	const struct mirror_git *g = m->state;
	CLEANUP(file_close) int fd = -1;
	if (g->fetched && clock_now_ms(m->env.clock) - g->fetched_ms < FETCH_AGAIN_MS)
		return cancel_check(m->env.cancel, e);
	int rc = open_repository(m, e);
	if (rc == 0)
		rc = lock(m, &fd, e);
	return rc < 0 ? rc : fetch(m, e);
}

/* ---- pushing --------------------------------------------------------------------- */

int mirror_git_ask_to_write(struct mirror *m, struct err *e)
{
	CLEANUP(call_release) struct mirror_git_call call = CALL_INIT(m, true);
	CLEANUP(remote_release) git_remote *remote = NULL;
	git_oid tip;
	bool has;
	int rc = open_repository(m, e);
	return rc < 0 ? rc : connect_to(&call, &remote, &has, &tip, e);
}

/* What servers answer when the branch is no longer what the push was based on. */
static bool says_moved(const char *refusal)
{
	static const char *const words[] = { "non-fast-forward",    "fetch first",
					     "stale info",          "failed to update ref",
					     "cannot lock ref",     "reference already exists",
					     "incorrect old value", "failed to lock" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(refusal, words[i]))
			return true;
	return false;
}

/* "GH006: Protected branch update failed …": the server's own words, if it has any. */
static int refused(const struct mirror_git_call *call, struct err *e)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	str_list_split(&lines, buf_str(&call->said), "\r\n");
	for (size_t i = 0; i < lines.count && text.len < 500; i++)
		if (lines.at[i][strspn(lines.at[i], " \t-=")]) {
			buf_adds(&text, text.len ? "; " : "");
			text_escape(&text, lines.at[i], MIN(strlen(lines.at[i]), 200));
		}
	CLEANUP(mem_free_ptr) char *why = text_escaped(call->refusal);
	err_set(e, ERR_AUTH, "the server refused the push to the branch %s: %.200s%s%.500s",
		call->g->branch, why, text.len ? ": " : "", buf_str(&text));
	return err_hint(e,
			"a rule of the host (a protected branch, a hook) forbids it: allow this "
			"publisher to push, or set branch in ferry.conf to one without the rule");
}

static int upload(struct mirror_git_call *call, git_remote *remote, bool *moved, struct err *e)
{
	CLEANUP(mem_free_ptr) char *spec = mem_printf(REF_NEXT ":refs/heads/%s", call->g->branch);
	git_strarray specs = { &spec, 1 };
	git_push_options how;
	git_push_options_init(&how, GIT_PUSH_OPTIONS_VERSION);
	callbacks(call, &how.callbacks);
	int rc = git_remote_upload(remote, &specs, &how);
	*moved = rc == GIT_ENONFASTFORWARD || says_moved(call->refusal);
	if (*moved)
		return 0;
	return rc < 0 ? call_failed(call, e) : call->refusal[0] ? refused(call, e) : 0;
}

static int push(struct mirror *m, const git_oid *commit, bool *moved, struct err *e)
{
	CLEANUP(call_release) struct mirror_git_call call = CALL_INIT(m, true);
	CLEANUP(remote_release) git_remote *remote = NULL;
	struct mirror_git *g = m->state;
	bool has = false;
	git_oid tip;
	int rc = write_ref(g, REF_NEXT, commit, e);
	if (rc == 0)
		rc = connect_to(&call, &remote, &has, &tip, e);
	if (rc < 0)
		return rc;
	*moved = has != g->has_branch || (has && !git_oid_equal(&tip, &g->tip));
	if (!*moved)
		rc = upload(&call, remote, moved, e);
	if (rc < 0 || *moved)
		return rc;
	g->fetched = g->has_branch = true;
	g->tip = *commit;
	rc = write_ref(g, REF_BRANCH, commit, e);
	return rc < 0 ? rc : write_ref(g, REF_PUSHED, commit, e);
}

int mirror_git_push(struct mirror *m, const git_oid *commit, bool *moved, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct mirror_git *g = m->state;
	*moved = false;
	g->fetched = false; /* what the branch is afterwards is known only after a success */
	int rc = lock(m, &fd, e);
	return rc < 0 ? rc : push(m, commit, moved, e);
}

/* ---- reading --------------------------------------------------------------------- */

int mirror_git_tree(struct mirror_git *g, git_tree **out, struct err *e)
{
	git_commit *commit = NULL;
	*out = NULL;
	if (!g->has_branch)
		return 0;
	int rc = git_commit_lookup(&commit, g->repo, &g->tip);
	if (rc == 0)
		rc = git_commit_tree(out, commit);
	git_commit_free(commit);
	return rc < 0 ? mirror_git_failed("the local clone", e) : 0;
}
