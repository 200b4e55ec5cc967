#include "sign/command.h"

#include "util/child.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (16 * KIB)
#define WORDS_MAX 100
#define SIGNATURE_MAX 4096
#define SCALAR 32

struct command {
	char *dir;
	char *program;
	struct str_list words; /* the first is the program as it was written */
};

static void command_free(struct command *c)
{
	if (!c)
		return;
	free(c->dir);
	free(c->program);
	str_list_release(&c->words);
	free(c);
}
DEFINE_CLEANUP(struct command, command_free);

/* -- the file -------------------------------------------------------------------------- */

/* Whoever can write the file decides what runs with the publisher's rights. */
static int read_own(const char *path, const struct owner_trust *trust, struct buf *text,
		    struct err *e)
{
	int rc = owner_read(path, trust, text, e);
	if (!err_is(e, ERR_USAGE))
		return rc;
	return err_hint(e,
			"make it your own, and run: chmod 644 %s; or, if you trust these users, "
			"add its folder to safe-directory, see ferry.conf(5)",
			path);
}

static int read_words(const char *path, const struct buf *text, struct str_list *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	CLEANUP(buf_release) struct buf plain = BUF_INIT(text->len / 2 * 3 + 3);
	encoding_add_utf8(&plain, text->data, text->len);
	if (strlen(buf_str(&plain)) != plain.len)
		return err_set(e, ERR_USAGE, "%s: contains a NUL byte", path);
	str_list_split(&lines, buf_str(&plain), "\r\n");
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.at[i] && *lines.at[i] != '#')
			str_list_add(out, lines.at[i]);
	if (out->count > 0 && out->count <= WORDS_MAX)
		return 0;
	err_set(e, ERR_USAGE, out->count ? "%s: has more than %d lines" : "%s: names no program",
		path, WORDS_MAX);
	return err_hint(e, "write the program on the first line and each argument on a line of its "
			   "own");
}

static int find_program(struct command *c, const char *path, struct err *e)
{
	const char *name = c->words.at[0];
	CLEANUP(mem_free_ptr) char *joined = strchr(name, '/') ? path_join(c->dir, name) : NULL;
	c->program = joined ? path_absolute(joined) : child_on_path(name);
	if (c->program && access(c->program, X_OK) == 0 && !file_is_dir(c->program))
		return 0;
	if (!joined)
		return err_set(e, ERR_USAGE, "%s: the program '%s' is not on PATH", path, name);
	return err_set(e, ERR_USAGE, "%s: %s is %s", path, c->program,
		       file_exists(c->program) ? "not executable" : "missing");
}

static int load(const char *path, const struct buf *text, struct command **out, struct err *e)
{
	CLEANUP_PTR(command_free) struct command *c = NEW(struct command);
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	c->dir = path_absolute(dir);
	int rc = read_words(path, text, &c->words, e);
	if (rc < 0)
		return rc;
	*out = STEAL(c);
	return 0;
}

int command_check(const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(FILE_MAX);
	CLEANUP_PTR(command_free) struct command *c = NULL;
	int rc = file_read_all(path, &text, e);
	return rc < 0 ? rc : load(path, &text, &c, e);
}

/* -- signing --------------------------------------------------------------------------- */

/* r and s, each of 32 bytes, as DER. False when OpenSSL cannot. */
static bool add_der(const uint8_t *raw, struct buf *out)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, SCALAR, NULL), *s = BN_bin2bn(raw + SCALAR, SCALAR, NULL);
	unsigned char *der = NULL;
	int len = 0;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1)
		len = i2d_ECDSA_SIG(sig, &der); /* sig owns r and s now */
	else {
		BN_free(r);
		BN_free(s);
	}
	if (len > 0)
		buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	return len > 0;
}

static void add_signature(const struct tuf_key *key, const struct buf *answer, const void *data,
			  size_t len, struct buf *out)
{
	const uint8_t *raw = (const uint8_t *)answer->data;
	if (key->scheme == TUF_ECDSA_P256 && answer->len == (size_t)2 * SCALAR &&
	    !tuf_key_verify(key, data, len, raw, answer->len) && add_der(raw, out))
		return;
	buf_add(out, answer->data, answer->len);
}

/* The last line of its output is given as the reason. */
static int explain(const struct command *c, const struct child_result *r, struct err *e)
{
	char how[200];
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	str_list_split(&lines, buf_str(&r->output), "\r\n");
	const char *last = "";
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.at[i])
			last = lines.at[i];
	CLEANUP(mem_free_ptr) char *shown = text_escaped(last);
	if (r->timed_out)
		return err_set(e, ERR_USAGE, "%s did not sign within %d seconds", c->program,
			       COMMAND_TIMEOUT_S);
	return err_set(e, ERR_USAGE, "%s %s%s%.300s", c->program,
		       child_describe(r, how, sizeof how), *shown ? ": " : "", shown);
}

static int sign_by_command(struct signer *s, const void *data, size_t len, struct buf *sig,
			   struct err *e)
{
	struct command *c = s->ctx;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	CLEANUP(mem_free_ptr) const char **argv = mem_alloc((c->words.count + 1) * sizeof *argv);
	argv[0] = c->program;
	for (size_t i = 1; i < c->words.count; i++)
		argv[i] = c->words.at[i];
	argv[c->words.count] = NULL;
	const struct child child = {
		.argv = argv,
		.dir = c->dir,
		.timeout_s = COMMAND_TIMEOUT_S,
		.input = data,
		.input_len = len,
		.answer_max = SIGNATURE_MAX,
		.trusted = true,
		.cancel = s->cancel,
	};
	int rc = child_run(&child, &r, e);
	if (rc < 0)
		return err_is(e, ERR_CANCELLED) ? rc : err_class_set(e, ERR_USAGE);
	if (!child_ok(&r))
		return explain(c, &r, e);
	if (r.answer.len == 0)
		return err_set(e, ERR_USAGE, "%s wrote no signature to standard output",
			       c->program);
	add_signature(s->key, &r.answer, data, len, sig);
	return 0;
}

static void destroy(struct signer *s)
{
	command_free(s->ctx);
}

int command_signer(const char *path, const struct tuf_key *public, const struct owner_trust *trust,
		   struct signer **out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(FILE_MAX);
	CLEANUP_PTR(command_free) struct command *c = NULL;
	int rc = read_own(path, trust, &text, e);
	if (rc == 0)
		rc = load(path, &text, &c, e);
	if (rc == 0)
		rc = find_program(c, path, e);
	if (rc < 0)
		return rc;
	struct signer *s = NEW(struct signer);
	s->key = tuf_key_copy(public);
	s->name = mem_strdup(path);
	s->sign = sign_by_command;
	s->destroy = destroy;
	s->ctx = STEAL(c);
	*out = s;
	return 0;
}
