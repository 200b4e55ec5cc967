#include "cli/lineage.h"

#include "catalog/provenance.h"
#include "util/mem.h"

#include <string.h>

/* ---- reading ------------------------------------------------------------------------ */

static int no_record(const struct remote *c, const char *what, struct err *e)
{
	err_clear(e);
	err_set(e, ERR_NOT_FOUND, "%s/%s has no provenance", c->repository, what);
	return err_hint(e, "its publisher has not added any; `ferry prepare` writes it");
}

static int load(struct remote *c, const struct card *model, const struct card_variant *v,
		const char *what, char **signer, struct provenance *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = provenance_target(v);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	if (!path)
		return no_record(c, what, e);
	int rc = remote_find(c, path, remote_signer(c, model), &t, e);
	if (rc < 0)
		return err_is(e, ERR_NOT_FOUND) && !c->offline ? no_record(c, what, e) : rc;
	*signer = mem_strdup(t.signer);
	rc = remote_target(c, path, remote_signer(c, model), PROVENANCE_MAX_BYTES, &bytes, e);
	if (rc == 0)
		rc = provenance_parse(buf_str(&bytes), bytes.len, path, out, e);
	if (rc == 0 && !provenance_is_of_variant(out, v))
		rc = err_set(e, ERR_INTEGRITY, "%s is about other files than those of %s", path,
			     what);
	return rc;
}

/* Of keys that may sign for targets now: signatures of earlier keys prove nothing any more. */
static int check_signatures(const struct remote *c, const struct provenance *p, json_t *list,
			    struct err *e)
{
	for (size_t i = 0; i < provenance_signatures(p); i++) {
		const char *id = provenance_key_id(p, i);
		const struct tuf_key *key = tuf_client_targets_key(c->tuf, id);
		if (key && !provenance_signed_by(p, i, key))
			return err_set(e, ERR_INTEGRITY,
				       "the signature of the provenance by the key %.12s does not "
				       "verify",
				       id);
		json_t *o = json_push_object(list);
		json_put_string(o, "keyid", id);
		json_put_bool(o, "verified", key != NULL);
	}
	return 0;
}

/* ---- for people --------------------------------------------------------------------- */

static void print(struct cli *cli, const char *name, const char *text)
{
	if (text && *text)
		cli_line(cli, "%-12s %s", name, text);
}

/* "sha256 abab…" */
static void print_digests(struct cli *cli, const json_t *resource)
{
	const char *kind;
	json_t *value;
	json_object_foreach (json_object_get(resource, "digest"), kind, value)
		cli_line(cli, "  %-10s %s", kind, json_string_value(value));
}

static void print_resources(struct cli *cli, const char *name, const json_t *list)
{
	const json_t *r;
	size_t i;
	json_array_foreach (list, i, r) {
		const char *uri = json_text(r, "uri"), *file = json_text(r, "name");
		print(cli, name, uri ? uri : file ? file : "(without a name)");
		print_digests(cli, r);
	}
}

static void print_tools(struct cli *cli, const json_t *builder)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	const char *tool;
	json_t *version;
	json_object_foreach (json_object_get(builder, "version"), tool, version)
		if (json_is_string(version))
			buf_addf(&text, "%s%s %s", text.len ? ", " : "", tool,
				 json_string_value(version));
	print(cli, "tools", buf_str(&text));
	print_resources(cli, "tool", json_object_get(builder, "builderDependencies"));
}

static void print_statement(struct cli *cli, const json_t *statement)
{
	const json_t *predicate = json_object_get(statement, "predicate");
	const json_t *build = json_object_get(predicate, "buildDefinition");
	const json_t *run = json_object_get(predicate, "runDetails");
	const json_t *inner = json_object_get(build, "internalParameters");
	CLEANUP(mem_free_ptr) char *command = cli_join(json_object_get(inner, "command"), "{}",
						       " ");
	print_resources(cli, "file", json_object_get(statement, "subject"));
	print(cli, "command", command);
	print(cli, "started", json_text(json_object_get(run, "metadata"), "startedOn"));
	print_resources(cli, "from", json_object_get(build, "resolvedDependencies"));
	print_tools(cli, json_object_get(run, "builder"));
}

static void print_signatures(struct cli *cli, const char *role, const json_t *signatures)
{
	const json_t *s;
	size_t i;
	cli_line(cli, "%-12s the metadata of the role %s", "signed by", role);
	json_array_foreach (signatures, i, s)
		cli_line(cli, "%-12s key %.12s%s", "", json_text(s, "keyid"),
			 json_flag(s, "verified") ? "" : ", which may not sign for targets now");
}

/* ---- all of it ---------------------------------------------------------------------- */

int lineage_show(struct cli *cli, struct remote *c, const struct card *model,
		 const struct card_variant *v, struct err *e)
{
	CLEANUP(provenance_release) struct provenance p = { 0 };
	CLEANUP(mem_free_ptr) char *role = NULL;
	CLEANUP(mem_free_ptr) char *what = mem_printf("%s:%s@%llu", model->id, v->id,
						      (unsigned long long)v->version);
	int rc = load(c, model, v, what, &role, &p, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "repository", c->repository);
	json_put_string(document, "model", model->id);
	json_put_string(document, "variant", v->id);
	json_put_u64(document, "version", v->version);
	json_put_string(document, "role", role);
	rc = check_signatures(c, &p, json_put_array(document, "signatures"), e);
	if (rc < 0)
		return rc;
	json_put(document, "provenance", json_incref(p.statement));
	if (p.envelope)
		json_put(document, "envelope", json_incref(p.envelope));
	cli_line(cli, "%-12s %s/%s", "model", c->repository, what);
	print_statement(cli, p.statement);
	print_signatures(cli, role, json_object_get(document, "signatures"));
	return cli_result(cli, document, e);
}
