#include "oci/credentials.h"

#include "util/child.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define HELPER_S 60
#define HELPER_ANSWER (64 * KIB)

static void wipe(char **text)
{
	if (*text)
		mem_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void oci_credentials_release(struct oci_credentials *c)
{
	wipe(&c->user);
	wipe(&c->password);
	wipe(&c->identity);
	wipe(&c->token);
	free(c->source);
	c->source = NULL;
}

static const char *env(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static void set_password(struct oci_credentials *out, const char *user, const char *password,
			 const char *source)
{
	out->user = mem_strdup(user);
	out->password = mem_strdup(password);
	out->source = mem_strdup(source);
}

static int from_environment(const char *host, bool environment, struct oci_credentials *out,
			    struct err *e)
{
	const char *user = env("FERRY_OCI_USERNAME"), *password = env("FERRY_OCI_PASSWORD");
	const char *gh = env("GH_TOKEN"), *github = env("GITHUB_TOKEN");
	if (environment && (user || password)) {
		if (!user || !password)
			return err_set(e, ERR_USAGE,
				       "FERRY_OCI_USERNAME and FERRY_OCI_PASSWORD belong together");
		set_password(out, user, password, "FERRY_OCI_USERNAME and FERRY_OCI_PASSWORD");
	} else if (strcmp(host, "ghcr.io") == 0 && (gh || github)) {
		/* GitHub takes any user with a token. */
		set_password(out, env("GITHUB_ACTOR") ? env("GITHUB_ACTOR") : "token",
			     gh ? gh : github, gh ? "GH_TOKEN" : "GITHUB_TOKEN");
	}
	return 0;
}

/* -- docker's config.json ---------------------------------------------------------- */

static char *config_path(void)
{
	const char *dir = env("DOCKER_CONFIG"), *home = env("HOME");
	if (dir)
		return path_join(dir, "config.json");
	return home ? path_join(home, ".docker/config.json") : NULL;
}

static int read_config(const char *path, const char *host, struct oci_config *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(OCI_CONFIG_MAX);
	struct err why = ERR_INIT;
	int rc = file_read_all(path, &text, &why);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	if (rc < 0) {
		*e = why;
		return err_class_set(e, ERR_USAGE);
	}
	encoding_to_utf8(&text);
	return oci_config_parse(buf_str(&text), text.len, path, host, out, e);
}

/* The protocol of credential helpers: https://github.com/docker/docker-credential-helpers,
 * credentials/credentials.go and credentials/error.go: "get", the server on stdin, a JSON object on
 * stdout; an unknown server is status 1 and this text on stdout. */
static bool is_unknown(const struct child_result *r)
{
	return strstr(buf_str(&r->answer), "credentials not found in native keychain");
}

static int run_helper(const char *path, const char *name, const struct cancel *cancel,
		      struct oci_config *c, struct err *e)
{
	const char *const argv[] = { path, "get", NULL };
	const struct child child = { .argv = argv,
				     .timeout_s = HELPER_S,
				     .cancel = cancel,
				     .input = c->server,
				     .input_len = strlen(c->server),
				     .answer_max = HELPER_ANSWER,
				     .trusted = true };
	struct child_result r = { 0 };
	char how[128];
	int rc = child_run(&child, &r, e);
	if (rc == 0 && child_ok(&r))
		rc = oci_config_helper_answer(buf_str(&r.answer), r.answer.len, c, e);
	else if (rc == 0 && !is_unknown(&r))
		rc = err_set(e, ERR_AUTH, "it %s", child_describe(&r, how, sizeof how));
	buf_wipe(&r.answer);
	child_result_release(&r);
	return rc < 0 ? err_context(e, "%s", name) : 0;
}

static int ask_helper(struct oci_config *c, const struct cancel *cancel, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("docker-credential-%s", c->helper);
	CLEANUP(mem_free_ptr) char *path = child_on_path(name);
	if (path)
		return run_helper(path, name, cancel, c, e);
	err_set(e, ERR_USAGE, "there is no program '%s' in PATH", name);
	return err_hint(e, "docker's config.json names it for this registry");
}

static void take_config(struct oci_config *c, const char *path, struct oci_credentials *out)
{
	out->user = STEAL(c->user);
	out->password = STEAL(c->password);
	out->identity = STEAL(c->identity);
	out->token = STEAL(c->token);
	if (out->identity || out->token)
		wipe(&out->user);
	if (oci_credentials_any(out) && c->helper)
		out->source = mem_printf("docker-credential-%s", c->helper);
	else if (oci_credentials_any(out))
		out->source = mem_strdup(path);
}

static int from_docker(const char *host, const struct cancel *cancel, struct oci_credentials *out,
		       struct err *e)
{
	CLEANUP(oci_config_release) struct oci_config c = { 0 };
	CLEANUP(mem_free_ptr) char *path = config_path();
	int rc = path ? read_config(path, host, &c, e) : 0;
	if (rc == 0 && c.helper)
		rc = ask_helper(&c, cancel, e);
	if (rc == 0)
		take_config(&c, path, out);
	return rc;
}

int oci_credentials_find(const char *host, bool environment, const struct cancel *cancel,
			 struct oci_credentials *out, struct err *e)
{
	struct oci_credentials c = { 0 };
	int rc = from_environment(host, environment, &c, e);
	if (rc == 0 && !oci_credentials_any(&c))
		rc = from_docker(host, cancel, &c, e);
	if (rc < 0) {
		oci_credentials_release(&c);
		return rc;
	}
	if (!c.source)
		c.source = mem_printf("%s%sdocker's config.json",
				      environment ? "FERRY_OCI_USERNAME, " : "",
				      strcmp(host, "ghcr.io") == 0 ? "GH_TOKEN, GITHUB_TOKEN, "
								   : "");
	*out = c;
	return 0;
}
