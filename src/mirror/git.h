/*
 * Shared by the files of kind git alone: git.c has the settings and reads; git_stage.c and
 * git_upload.c keep what is to be written; git_publish.c makes the commit; git_repo.c keeps the
 * local clone, fetches and pushes; git_history.c finds when files were changed; git_transport.c
 * connects libgit2 with our own requests (git_http.c) and programs (git_exec.c); git_check.c probes
 * and sets up.
 *
 * The clone is a bare repository below the state folder, of the branch alone. It is only a cache:
 * if it is removed, the next command fetches the branch again. It has the refs
 *
 *   refs/ferry/branch   the branch as it was fetched last
 *   refs/ferry/next     the commit that was pushed last, whether it arrived or not
 *   refs/ferry/pushed   the last commit that did arrive: when the branch no longer contains it,
 *                       somebody has rewritten the branch
 *
 * libgit2 speaks the git protocol, but sends nothing itself: requests are those of http/http.h,
 * so that proxies, certificates, ~/.netrc, stalls, cancellation and errors are the same as
 * everywhere; ssh is the program ssh, so that its configuration, agent and known hosts are those
 * that `git` uses; and a repository on this machine is written by `git receive-pack`, so that its
 * hooks run.
 */
#ifndef FERRY_MIRROR_GIT_H
#define FERRY_MIRROR_GIT_H

#include "http/http.h"
#include "mirror/git_remote.h"
#include "mirror/mirror.h"

#include <git2.h>

/* https://docs.github.com/en/repositories/working-with-files/managing-large-files: "GitHub blocks
 * files larger than 100 MiB" */
#define MIRROR_GIT_MAX_OBJECT (100 * MIB)

/* A file to be written with the next commit, or to be removed. */
struct mirror_git_staged {
	char *key;
	bool removed;
	git_oid id; /* of the blob */
	/* What the branch had under the key when it was staged first: when that changes before
	 * the push, another publisher has written the same file. */
	bool was_there;
	git_oid was;
};

/* Pieces of an upload that was closed before its commit: for the next one of this process. */
struct mirror_git_partial {
	char *key;
	struct digest sha256;
	uint8_t *data;
	bool *there;
	struct mirror_git_partial *next;
};

struct mirror_git {
	struct mirror_git_remote remote;
	char *branch;       /* "main" */
	char *prefix;       /* of all keys: "" or ends with '/' */
	char *name, *email; /* of author and committer; NULL: git's configuration */
	char *ssh_key;      /* file, or NULL */
	char *known_hosts;  /* file, or NULL */
	char *dir;          /* of the clone */
	bool temporary;     /* dir is removed in the end */
	struct http_options http;

	pthread_mutex_t lock; /* of what follows, and of all use of libgit2 */
	git_repository *repo; /* NULL: not open yet */
	bool fetched;
	uint64_t fetched_ms;
	bool has_branch;                  /* on the server */
	git_oid tip;                      /* of the branch */
	bool rewritten;                   /* the branch does not contain what we pushed last */
	struct mirror_git_staged *staged; /* sorted by key */
	size_t staged_count, staged_cap;
	struct mirror_git_partial *partials;
};

/* -- git_repo.c -------------------------------------------------------------------- */

void mirror_git_start_library(void);

/* One exchange with the server. Its errors are those of the way there; libgit2 reports only that
 * there was one. */
struct mirror_git_call {
	struct mirror *m;
	struct mirror_git *g;
	bool write;      /* git-receive-pack, else git-upload-pack */
	struct buf said; /* what the server prints for people */
	struct err why;
	/* The answer to a push: "" if it was accepted. */
	char refusal[512];
};

/* The following are called with the lock held. */

/* Opens the clone, and fetches the branch unless that was done a moment ago. */
WARN_UNUSED int mirror_git_refresh(struct mirror *m, struct err *e);
/* Asks whether the server would accept a push, without changing anything. */
WARN_UNUSED int mirror_git_ask_to_write(struct mirror *m, struct err *e);
/* Makes `commit` the branch's new tip. *moved: the branch is not what was fetched, so nothing
 * was changed. ERR_AUTH when the server refuses. */
WARN_UNUSED int mirror_git_push(struct mirror *m, const git_oid *commit, bool *moved,
				struct err *e);
/* ERR_CONFLICT if the branch was rewritten. */
WARN_UNUSED int mirror_git_check_history(const struct mirror *m, struct err *e);
/* From now on the branch is right as it is. */
WARN_UNUSED int mirror_git_accept_history(struct mirror *m, struct err *e);

/* From libgit2's last error: ERR_SYSTEM, unless it is about the network or malformed data. */
int mirror_git_failed(const char *what, struct err *e);

/* The tree of the tip; *out NULL: there is none. */
WARN_UNUSED int mirror_git_tree(struct mirror_git *g, git_tree **out, struct err *e);
void mirror_git_close_repository(struct mirror_git *g);

/* -- git_transport.c, git_http.c, git_exec.c -------------------------------------------- */

/* For git_remote_callbacks.transport; payload: the struct mirror_git_call. */
int mirror_git_transport(git_transport **out, git_remote *owner, void *payload);

/* A request to a service of the server, or a program that is one. */
struct mirror_git_line;
struct mirror_git_line_ops {
	/* Begins to talk to the service: to list the branches, or for the work itself. */
	int (*begin)(struct mirror_git_line *w, bool list, struct err *e);
	int (*write)(struct mirror_git_line *w, const char *data, size_t len, struct err *e);
	int (*read)(struct mirror_git_line *w, char *data, size_t size, size_t *len, struct err *e);
	void (*end)(struct mirror_git_line *w);
};
struct mirror_git_line {
	const struct mirror_git_line_ops *ops;
	struct mirror_git_call *call;
	void *state; /* of the way */
};
extern const struct mirror_git_line_ops mirror_git_http; /* one request each */
extern const struct mirror_git_line_ops mirror_git_exec; /* one program for both */

/* -- git_stage.c ------------------------------------------------------------------- */

/* The blob under the key: a staged one, else the branch's. ERR_NOT_FOUND. */
WARN_UNUSED int mirror_git_find(struct mirror *m, const char *key, git_oid *out, struct err *e);
/* ERR_CONFLICT when the conditions of `how` do not hold. */
WARN_UNUSED int mirror_git_check_condition(struct mirror *m, const char *key,
					   const struct mirror_put *how, struct err *e);
/* id NULL: it is to be removed. */
WARN_UNUSED int mirror_git_stage(struct mirror *m, const char *key, const git_oid *id,
				 struct err *e);
void mirror_git_unstage_all(struct mirror_git *g);
/* A staged file that has changed on the branch since, to something else than ours; NULL: none. */
WARN_UNUSED int mirror_git_overtaken(struct mirror *m, const char **key, struct err *e);
/* The branch's tree with all staged files. */
WARN_UNUSED int mirror_git_write_tree(struct mirror *m, git_oid *out, struct err *e);
WARN_UNUSED int mirror_git_list(struct mirror_connection *c, const char *prefix,
				mirror_entry_fn *fn, void *ctx, struct err *e);
/* Size and etag. */
WARN_UNUSED int mirror_git_describe(struct mirror_git *g, const git_oid *id,
				    struct mirror_stat *out, struct err *e);

/* -- git_history.c ----------------------------------------------------------------- */

struct mirror_git_file {
	char *key;
	git_oid id;
	int64_t modified_s; /* 0: not known */
};
/* Of files of the branch, sorted by key: the time of the last commit that changed them, unless one
 * is set already. */
WARN_UNUSED int mirror_git_find_times(struct mirror *m, struct mirror_git_file *files, size_t count,
				      struct err *e);

/* -- git_upload.c ------------------------------------------------------------------ */

WARN_UNUSED int mirror_git_upload_open(struct mirror_connection *c, struct mirror_upload *u,
				       struct err *e);
WARN_UNUSED int mirror_git_upload_put(struct mirror_connection *c, struct mirror_upload *u,
				      uint32_t piece, const void *data, struct err *e);
WARN_UNUSED int mirror_git_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
					 struct mirror_stat *out, struct err *e);
void mirror_git_upload_close(struct mirror_upload *u);
WARN_UNUSED int mirror_git_upload_abandon(struct mirror_connection *c, struct mirror_upload *u,
					  struct err *e);
void mirror_git_partials_free(struct mirror_git *g);

/* -- git_publish.c, git_check.c ---------------------------------------------------------- */

/* One commit with everything that is staged, pushed; nothing is staged then. */
WARN_UNUSED int mirror_git_publish(struct mirror_connection *c, const struct mirror_publication *p,
				   struct mirror_findings *out, struct err *e);

WARN_UNUSED int mirror_git_preflight(struct mirror_connection *c, const struct mirror_need *need,
				     struct mirror_findings *out, struct err *e);
WARN_UNUSED int mirror_git_probe(struct mirror_connection *c, struct mirror_findings *out,
				 struct err *e);
WARN_UNUSED int mirror_git_setup(struct mirror_connection *c, bool dry_run,
				 struct mirror_findings *out, struct err *e);

#endif
