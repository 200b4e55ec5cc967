/* https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
#include "s3/credentials_internal.h"

#include "util/child.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define MAX_ANSWER (64 * KIB)
#define MAX_COMMAND 8192
#define TIMEOUT_S 120 /* it may ask for a code */

/* One word, which may be quoted as in a POSIX shell; no other shell syntax is supported. Returns
 * what follows it, or NULL if a quote is not closed. */
static const char *take_word(const char *at, struct buf *word)
{
	char quote = '\0';
	for (; *at && (quote || !strchr(" \t\r\n", *at)); at++) {
		bool escapes = *at == '\\' && at[1] && quote != '\'' &&
			       (!quote || at[1] == '"' || at[1] == '\\');
		if (escapes)
			buf_addc(word, *++at);
		else if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? '\0' : *at;
		else
			buf_addc(word, *at);
	}
	return quote ? NULL : at;
}

int credentials_process_split(const char *command, struct str_list *out, struct err *e)
{
	for (const char *at = command + strspn(command, " \t\r\n"); *at;
	     at += strspn(at, " \t\r\n")) {
		CLEANUP(buf_release) struct buf word = BUF_INIT(MAX_COMMAND);
		at = take_word(at, &word);
		if (!at)
			return err_set(e, ERR_USAGE,
				       "credential_process has a quote that is not "
				       "closed");
		int rc = buf_ok(&word, "credential_process", e);
		if (rc < 0)
			return err_class_set(e, ERR_USAGE);
		str_list_add(out, buf_str(&word));
	}
	if (!out->count)
		return err_set(e, ERR_USAGE, "credential_process is empty");
	return 0;
}

static int find_program(struct str_list *words, struct err *e)
{
	char *found = strchr(words->at[0], '/') ? mem_strdup(words->at[0])
						: child_on_path(words->at[0]);
	if (!found)
		return err_set(e, ERR_USAGE, "credential_process: there is no program '%s' in PATH",
			       words->at[0]);
	free(words->at[0]);
	words->at[0] = found;
	return 0;
}

/* The stderr of a program is meant for people; its stdout is secret. */
static int failed(const struct child_result *r, struct err *e)
{
	char how[128];
	const char *said = buf_str(&r->head);
	CLEANUP(mem_free_ptr) char *line = mem_strndup(said, strcspn(said, "\n"));
	CLEANUP(mem_free_ptr) char *shown = text_escaped(line);
	return err_set(e, ERR_AUTH, "credential_process %s%s%.200s",
		       child_describe(r, how, sizeof how), *shown ? ": " : "", shown);
}

static int run(const struct credentials_search *s, const struct str_list *words,
	       struct child_result *r, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **argv = mem_alloc((words->count + 1) * sizeof *argv);
	for (size_t i = 0; i < words->count; i++)
		argv[i] = words->at[i];
	const struct child child = { .argv = argv,
				     .timeout_s = TIMEOUT_S,
				     .cancel = s->cancel,
				     .answer_max = MAX_ANSWER,
				     .trusted = true };
	int rc = child_run(&child, r, e);
	if (rc < 0 && !err_is(e, ERR_CANCELLED)) {
		err_context(e, "credential_process");
		return err_class_set(e, ERR_USAGE);
	}
	return rc < 0 || child_ok(r) ? rc : failed(r, e);
}

static int read_answer(const struct buf *text, struct s3_keys *out, struct err *e)
{
	static const char what[] = "the output of credential_process";
	CLEANUP(credentials_json_wipe) json_t *json = NULL;
	int rc = credentials_json(text, what, &json, e);
	if (rc == 0 && json_number(json, "Version") != 1)
		rc = err_set(e, ERR_AUTH, "%s does not have \"Version\": 1", what);
	return rc < 0 ? rc : credentials_from_json(json, "SessionToken", what, out, e);
}

int credentials_process(struct credentials_search *s, const char *profile, const char *command,
			struct s3_keys *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	struct child_result r = { 0 };
	int rc = credentials_process_split(command, &words, e);
	if (rc == 0)
		rc = find_program(&words, e);
	if (rc == 0)
		rc = run(s, &words, &r, e);
	if (rc == 0)
		rc = read_answer(&r.answer, out, e);
	buf_wipe(&r.answer);
	child_result_release(&r);
	if (rc < 0)
		return err_context(e, "profile %s", profile);
	credentials_came_from(s, "credential_process of profile %s", profile);
	return 0;
}
