/* The words of other tools, and what does the same here: a typo has a near neighbour, but "rm" has
 * none, and that of "pull" would be "push". */
#include "cli/frame/internal.h"

#include "util/mem.h"

#include <ctype.h>
#include <string.h>

/* ---- commands ---- */

struct meant {
	const char *at;    /* what stands before the word: "ferry store" */
	const char *words; /* separated by blanks */
	const char *use;   /* the command to use */
	const char *text;  /* or the whole hint, if that is not enough */
};

#define RUNS_NOTHING \
	"ferry runs no models itself; 'ferry run MODEL -- PROGRAM {}' fetches a model if " \
	"needed and starts a program on it"
#define CALL_BACK \
	"'ferry catalog withdraw' calls a published model or version back, " \
	"'ferry catalog remove' takes it out of the catalog"
#define SHOW_VERSIONS \
	"'ferry show MODEL' lists the versions to fetch, 'ferry catalog list --versions' those " \
	"that you publish"
#define EDIT_CARD \
	"change the model's file in cards/ of the repository with an editor, or prepare it again " \
	"with --set; then run 'ferry catalog sign'"

static const struct meant commands[] = {
	/* readers */
	{ "ferry", "download get install dl clone checkout add-model", "ferry fetch", NULL },
	{ "ferry", "up", "ferry update", NULL },
	{ "ferry", "hold freeze lock", "ferry pin", NULL },
	{ "ferry", "unhold thaw unlock", "ferry unpin", NULL },
	{ "ferry", "models model tags", "ferry list", NULL },
	{ "ferry", "ls dir", NULL,
	  "'ferry store list' lists the models on this computer, 'ferry list' those of the "
	  "catalog" },
	{ "ferry", "find query lookup grep", "ferry search", NULL },
	{ "ferry", "info describe view details card", "ferry show", NULL },
	{ "ferry", "inspect gguf", NULL,
	  "'ferry show MODEL' shows a model of the catalog, 'ferry prepare --check FILE' "
	  "examines a file" },
	{ "ferry", "rm remove del delete uninstall erase", NULL,
	  "'ferry store remove' removes a model from this computer, 'ferry catalog remove' from "
	  "the catalog, 'ferry repository remove' a repository" },
	{ "ferry", "df cache size usage scan-cache", "ferry store du", NULL },
	{ "ferry", "path which where locate", "ferry store path", NULL },
	{ "ferry", "gc prune clean cleanup purge tidy autoremove autoclean", NULL,
	  "'ferry store gc' cleans the store, 'ferry catalog gc' the repository, 'ferry push "
	  "--prune' and 'ferry mirror cleanup' the mirrors" },
	{ "ferry", "exec launch", "ferry run", NULL },
	{ "ferry", "start stop chat load ps server", NULL, RUNS_NOTHING },
	{ "ferry", "remote remotes repo repos registry source sources", "ferry repository", NULL },
	{ "ferry", "trust root join enroll", "ferry repository add", NULL },
	{ "ferry", "login logout auth token", NULL,
	  "there is no login; where access keys come from is in ferry-s3(7), and about user names "
	  "and passwords see netrc in ferry.conf(5)" },
	{ "ferry", "config configure settings set", NULL,
	  "the settings are in ferry.conf, see ferry.conf(5); 'ferry repository' and 'ferry "
	  "mirror' edit it" },
	{ "ferry", "version", "ferry --version", NULL },
	/* publishers */
	{ "ferry", "init new", NULL,
	  "'ferry catalog init' creates a repository to publish, 'ferry repository add' adds "
	  "one to fetch from" },
	{ "ferry", "add", NULL,
	  "'ferry repository add' adds a repository to fetch from; for publishers, 'ferry catalog "
	  "add' adds a prepared model and 'ferry mirror add' a mirror" },
	{ "ferry", "import adopt", NULL,
	  "'ferry store import' takes files of this computer into the store, 'ferry prepare' "
	  "makes a model to publish" },
	{ "ferry", "link unlink", "ferry store link", NULL },
	{ "ferry", "create convert quantize build make pack", "ferry prepare", NULL },
	{ "ferry", "hash checksum checksums sha256 sha256sum sum sums", "ferry manifest create",
	  NULL },
	{ "ferry", "upload publish deploy release send put", "ferry push", NULL },
	{ "ferry", "sign commit", "ferry catalog sign", NULL },
	{ "ferry", "key keys keygen", "ferry catalog key", NULL },
	{ "ferry", "refresh resign", "ferry catalog refresh", NULL },
	{ "ferry", "rotate", "ferry catalog rotate", NULL },
	{ "ferry", "renew", "ferry catalog renew", NULL },
	{ "ferry", "merge", "ferry catalog merge", NULL },
	{ "ferry", "delegate", "ferry catalog delegate", NULL },
	{ "ferry", "export", "ferry catalog export", NULL },
	{ "ferry", "lint", "ferry catalog lint", NULL },
	{ "ferry", "edit", NULL, EDIT_CARD },
	{ "ferry", "withdraw recall yank revoke unpublish deprecate", NULL, CALL_BACK },
	{ "ferry", "versions history log", NULL, SHOW_VERSIONS },
	{ "ferry", "rollback downgrade", NULL,
	  "'ferry fetch MODEL@VERSION' gets an earlier version, 'ferry pin MODEL@VERSION' then "
	  "goes "
	  "back to it; 'ferry show MODEL' lists them" },
	{ "ferry", "check audit validate test fsck", NULL,
	  "'ferry doctor' checks everything, 'ferry verify' "
	  "checks mirrors, 'ferry store verify' the store, 'ferry manifest check' "
	  "files against manifests, 'ferry prepare --check' a GGUF" },
	{ "ferry", "cp copy replicate rsync", "ferry sync", NULL },
	{ "ferry", "backup dump", "ferry catalog backup", NULL },
	{ "ferry", "restore", "ferry catalog restore", NULL },
	{ "ferry", "bundle archive", "ferry push --bundle", NULL },
	{ "ferry", "notify hook hooks", "ferry announce", NULL },
	{ "ferry", "probe setup presign", "ferry mirror", NULL },

	{ "ferry store", "ls show info status models", "ferry store list", NULL },
	{ "ferry store", "df size usage space", "ferry store du", NULL },
	{ "ferry store", "rm del delete uninstall erase", "ferry store remove", NULL },
	{ "ferry store", "clean cleanup prune purge tidy", "ferry store gc", NULL },
	{ "ferry store", "which where locate get-path dir", "ferry store path", NULL },
	{ "ferry store", "check fsck audit validate test", "ferry store verify", NULL },
	{ "ferry store", "add install put pull get fetch download", "ferry fetch", NULL },

	{ "ferry manifest", "new make generate hash", "ferry manifest create", NULL },
	{ "ferry manifest", "verify validate test", "ferry manifest check", NULL },

	{ "ferry catalog", "rm del delete drop erase", "ferry catalog remove", NULL },
	{ "ferry catalog", "recall yank unpublish deprecate", NULL, CALL_BACK },
	{ "ferry catalog", "versions history log", "ferry catalog list --versions", NULL },
	{ "ferry catalog", "ls show models", "ferry catalog list", NULL },
	{ "ferry catalog", "edit modify change set update", NULL, EDIT_CARD },
	{ "ferry catalog", "create new", "ferry catalog init", NULL },
	{ "ferry catalog", "check verify validate test", "ferry catalog lint", NULL },
	{ "ferry catalog", "push publish upload", "ferry push", NULL },
	{ "ferry catalog", "commit", "ferry catalog sign", NULL },
	{ "ferry catalog", "undo reset revert", "ferry catalog discard", NULL },
	{ "ferry catalog", "info diff", "ferry catalog status", NULL },
	{ "ferry catalog", "clean cleanup purge tidy", "ferry catalog gc", NULL },
	{ "ferry catalog", "save dump", "ferry catalog backup", NULL },
	{ "ferry catalog", "import put", "ferry catalog add", NULL },
	{ "ferry catalog", "keygen", "ferry catalog key new", NULL },
	{ "ferry catalog", "revoke", NULL,
	  "'ferry catalog rotate --remove' takes a role's key away, 'ferry catalog undelegate' a "
	  "whole role" },

	{ "ferry catalog key", "ls show", "ferry catalog key list", NULL },
	{ "ferry catalog key", "create add generate gen keygen init", "ferry catalog key new",
	  NULL },
	{ "ferry catalog key", "rm remove del delete revoke", NULL,
	  "'ferry catalog rotate --remove' takes a key away from its role; its file in the folder "
	  "of keys can be removed after that" },
	{ "ferry catalog key", "rotate replace", "ferry catalog rotate", NULL },
	{ "ferry catalog key", "passwd password change", "ferry catalog key passphrase", NULL },
	{ "ferry catalog key", "verify test", "ferry catalog key check", NULL },

	{ "ferry mirror", "rm del delete drop", "ferry mirror remove", NULL },
	{ "ferry mirror", "ls show info", "ferry mirror list", NULL },
	{ "ferry mirror", "status", "ferry mirror list --check", NULL },
	{ "ferry mirror", "new create", "ferry mirror add", NULL },
	{ "ferry mirror", "edit modify change set update set-url rename", NULL,
	  "change the section [mirror.NAME] of ferry.conf with an editor; its keys are in "
	  "ferry.conf(5)" },
	{ "ferry mirror", "test check doctor", "ferry mirror probe", NULL },
	{ "ferry mirror", "init configure", "ferry mirror setup", NULL },
	{ "ferry mirror", "gc clean purge tidy", "ferry mirror cleanup", NULL },
	{ "ferry mirror", "prune", "ferry push --prune", NULL },
	{ "ferry mirror", "url link share", "ferry mirror presign", NULL },
	{ "ferry mirror", "verify", "ferry verify", NULL },
	{ "ferry mirror", "sync copy cp", "ferry sync", NULL },
	{ "ferry mirror", "push upload", "ferry push", NULL },

	{ "ferry repository", "rm del delete drop forget", "ferry repository remove", NULL },
	{ "ferry repository", "ls", "ferry repository list", NULL },
	{ "ferry repository", "show info check verify test", "ferry repository status", NULL },
	{ "ferry repository", "trust import clone join enroll", "ferry repository add", NULL },
	{ "ferry repository", "update refresh sync pull fetch", NULL,
	  "every command that reads the catalog refreshes it; 'ferry repository status' shows its "
	  "state" },
	{ "ferry repository", "edit modify change set set-url rename", NULL,
	  "change the section [repository.NAME] of ferry.conf with an editor; its keys are in "
	  "ferry.conf(5)" },
	{ "ferry repository", "init new create", NULL,
	  "'ferry catalog init' creates a repository to publish, 'ferry repository add' adds "
	  "one to fetch from" },
};

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = words; len && (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static char *lower(const char *word)
{
	char *s = mem_strdup(word);
	for (char *c = s; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return s;
}

static const struct meant *meant_of(const char *path, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].at, path) == 0 && has_word(commands[i].words, word))
			return &commands[i];
	return NULL;
}

/* A typo in a word of another tool. */
static const struct meant *nearly_meant(const char *path, const char *word)
{
	CLEANUP(str_list_release) struct str_list known = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].at, path) == 0)
			str_list_split(&known, commands[i].words, " ");
	const char *near = text_nearest(word, (const char *const *)known.at, known.count);
	return near ? meant_of(path, near) : NULL;
}

void cli_meant(const char *path, const char *word, const char *const *names, size_t count,
	       struct err *e)
{
	CLEANUP(mem_free_ptr) char *plain = lower(word);
	const struct meant *m = meant_of(path, plain);
	const char *near = m ? NULL : text_nearest(word, names, count);
	if (!m && !near)
		m = nearly_meant(path, plain);
	if (near)
		err_hint(e, "did you mean '%s %s'?", path, near);
	else if (m && m->text)
		err_hint(e, "%s", m->text);
	else if (m)
		err_hint(e, "did you mean '%s'?", m->use);
}

/* ---- options ---- */

#define MEANT(word, options, text) \
	BRACES(.type = OPT_MEANT, .name = (word), .choices = (options), .help = (text))
#define MEANT_LETTER(l, options, text) \
	BRACES(.type = OPT_MEANT, .letter = (l), .choices = (options), .help = (text))

#define IN_REFERENCE "name it with the model: [REPOSITORY/]MODEL[:VARIANT][@VERSION]"
#define ON_THIS_COMPUTER "'ferry store list' lists the models on this computer"
#define HAVE_NEWER "'ferry outdated' lists the models on this computer that have a newer version"
#define STORE_IS "the folder of the store is in the environment variable FERRY_HOME"
#define NO_FORCE "no command has it; an error message says what to do instead"
#define NO_QUESTIONS \
	"only fetch, run, update and repository add ask for confirmation; passphrases can be in " \
	"FERRY_PASSPHRASE or a file"
#define CONNECTIONS "set connections of the mirror in ferry.conf(5)"
#define CONTINUES "it is not needed: run the same command again, and it continues"
#define ALWAYS_CHECKED \
	"certificates and signatures are always checked; SSL_CERT_FILE names other authorities"
#define DRY_RUNS \
	"fetch, update, push, sync, site, catalog gc, catalog prune, catalog restore, store gc, " \
	"store import, store link, announce, node apply, mirror config, mirror setup " \
	"and mirror cleanup have it"

/* For the commands that read repositories. */
static const struct opt reader_opts[] = {
	MEANT("variant", NULL, IN_REFERENCE),
	MEANT("revision", NULL, IN_REFERENCE),
	MEANT("quant", NULL, IN_REFERENCE),
	MEANT("quantization", NULL, IN_REFERENCE),
	MEANT("include", NULL, IN_REFERENCE),
	MEANT("exclude", NULL, IN_REFERENCE),
	MEANT("model", NULL, IN_REFERENCE),
	MEANT("repository", NULL, IN_REFERENCE),
	MEANT("repo", NULL, IN_REFERENCE),
	MEANT("registry", NULL, IN_REFERENCE),
	MEANT("force", "verify", NO_FORCE),
	MEANT("force-download", "verify", NO_FORCE),
	MEANT("overwrite", "verify", NO_FORCE),
	MEANT("no-cache", "verify", NO_FORCE),
	MEANT("recheck", "verify", NULL),
	MEANT("check", "verify", NULL),
	MEANT("full", "verify", NULL),
	MEANT("sha256", NULL, "every file is verified with the digest in the signed catalog"),
	MEANT("checksum", NULL, "every file is verified with the digest in the signed catalog"),
	MEANT("installed", NULL, ON_THIS_COMPUTER),
	MEANT("local", NULL, ON_THIS_COMPUTER),
	MEANT("upgradable", NULL, HAVE_NEWER),
	MEANT("upgradeable", NULL, HAVE_NEWER),
	MEANT("mirror", NULL,
	      "the mirrors are those of ferry.conf and of the signed catalog; 'ferry repository "
	      "status' shows them"),
	OPT_LAST,
};

static const struct opt meant_opts[] = {
	MEANT("out", "output", NULL),
	MEANT("outdir", "output", NULL),
	MEANT("output-dir", "output", NULL),
	MEANT("output-file", "output", NULL),
	MEANT("output-document", "output", NULL),
	MEANT("outfile", "output", NULL),
	MEANT("local-dir", "output", NULL),
	MEANT("dest", "output", NULL),
	MEANT("destination", "output", NULL),
	MEANT("dir", "output directory", NULL),
	MEANT_LETTER('O', "output", NULL),
	MEANT("silent", "quiet", NULL),
	MEANT_LETTER('s', "quiet", NULL),
	MEANT_LETTER('V', "version", NULL),
	MEANT("no-progress", NULL, "use --progress=none"),
	MEANT("no-progress-bar", NULL, "use --progress=none"),
	MEANT("debug", "verbose", NULL),
	MEANT("trace", "verbose", NULL),
	MEANT("format", "json", NULL),
	MEANT("output-format", "json", NULL),
	MEANT("porcelain", "json", NULL),
	MEANT("conf", "config", NULL),
	MEANT("config-file", "config", NULL),
	MEANT("dry-run", NULL, DRY_RUNS),
	MEANT("dryrun", "dry-run", DRY_RUNS),
	MEANT("simulate", "dry-run", DRY_RUNS),
	MEANT("just-print", "dry-run", DRY_RUNS),
	MEANT("what-if", "dry-run", DRY_RUNS),
	MEANT("pretend", "dry-run", DRY_RUNS),
	MEANT("force", NULL, NO_FORCE),
	MEANT("overwrite", NULL, NO_FORCE),
	MEANT_LETTER('f', NULL, NO_FORCE),
	MEANT("yes", NULL, NO_QUESTIONS),
	MEANT("assume-yes", NULL, NO_QUESTIONS),
	MEANT("no-confirm", NULL, NO_QUESTIONS),
	MEANT("no-input", NULL, NO_QUESTIONS),
	MEANT("non-interactive", NULL, NO_QUESTIONS),
	MEANT_LETTER('y', NULL, NO_QUESTIONS),
	MEANT("threads", NULL, CONNECTIONS),
	MEANT("jobs", NULL, CONNECTIONS),
	MEANT("parallel", NULL, CONNECTIONS),
	MEANT("transfers", NULL, CONNECTIONS),
	MEANT("connections", NULL, CONNECTIONS),
	MEANT("max-workers", NULL, CONNECTIONS),
	MEANT("workers", NULL, CONNECTIONS),
	MEANT("concurrency", NULL, CONNECTIONS),
	MEANT_LETTER('j', NULL, CONNECTIONS),
	MEANT_LETTER('t', NULL, CONNECTIONS),
	MEANT("continue", NULL, CONTINUES),
	MEANT("resume", NULL, CONTINUES),
	MEANT_LETTER('c', NULL, CONTINUES),
	MEANT("insecure", NULL, ALWAYS_CHECKED),
	MEANT("no-check-certificate", NULL, ALWAYS_CHECKED),
	MEANT("skip-verify", NULL, ALWAYS_CHECKED),
	MEANT("no-verify", NULL, ALWAYS_CHECKED),
	MEANT_LETTER('k', NULL, ALWAYS_CHECKED),
	MEANT("cache-dir", NULL, STORE_IS),
	MEANT("models-dir", NULL, STORE_IS),
	MEANT("store", NULL, STORE_IS),
	MEANT("home", NULL, STORE_IS),
	MEANT("bwlimit", "limit-rate", NULL),
	MEANT("bandwidth", "limit-rate", NULL),
	MEANT("max-rate", "limit-rate", NULL),
	MEANT("rate-limit", "limit-rate", NULL),
	MEANT("rate", "limit-rate", NULL),
	MEANT("throttle", "limit-rate", NULL),
	MEANT("max-download-limit", "limit-rate", NULL),
	MEANT("repo", "repository name", NULL),
	MEANT("password", "passphrase-file", NULL),
	MEANT("password-file", "passphrase-file", NULL),
	MEANT("sha256", "root-sha256", NULL),
	MEANT("fingerprint", "root-sha256", NULL),
	MEANT("root-hash", "root-sha256", NULL),
	MEANT("pin", "root-sha256", NULL),
	MEANT("expiry", "expires", NULL),
	MEANT("validity", "expires", NULL),
	MEANT("days", "expires", NULL),
	MEANT("delete", "prune purge", NULL),
	MEANT("deep", "full data check", NULL),
	MEANT("size-only", "quick", NULL),
	MEANT("quant", "quantize", NULL),
	MEANT("all", NULL, NULL),
	MEANT("recursive", NULL, NULL),
	OPT_LAST,
};

struct opt_table cli_meant_reader(const char *path)
{
	static const char *const readers[] = { "ferry fetch", "ferry list",   "ferry show",
					       "ferry run",   "ferry search", "ferry store" };
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		if (str_starts(path, readers[i]))
			return (struct opt_table){ reader_opts, NULL };
	return (struct opt_table){ NULL, NULL };
}

struct opt_table cli_meant_every(void)
{
	return (struct opt_table){ meant_opts, NULL };
}
